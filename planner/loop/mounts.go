package loop

import (
	"context"
	"strings"
	"time"
)

// watchMounts reports a mount that stops answering while a round uses it: the call that changes
// something on it does not come back, and so the round does not either. Mounts are asked only while
// a round gives no sign of life, so it takes up to three times every until this is noticed.
func (l *Loop) watchMounts(ctx context.Context, every time.Duration) {
	for sleep(ctx, every) {
		stage, since := l.heartbeat.silent()
		var hung []string
		if since > every {
			hung = l.env.Hung()
		}
		switch was := l.metrics.heldUpBy(hung); {
		case len(hung) > 0 && was == "":
			l.log.Error("a round waits for a mount that does not answer, and does nothing else "+
				"meanwhile: fix the mount, or unmount it by force",
				"systems", strings.Join(hung, ", "), "stage", stage)
			l.env.Supervise("STATUS=" + stage + ": waits for a mount that does not answer: " +
				strings.Join(hung, ", "))
		case len(hung) == 0 && was != "":
			l.log.Info("the round continues: the mount answers, or its call has ended", "systems",
				was)
		}
	}
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
