package loop

import (
	"context"
	"strings"
	"time"
)

// watchMounts tells of a mount that hangs under a round's hands: it died after it was looked at, so
// that the call which changes something on it does not come back, and the round with it. Mounts are
// asked only while a round gives no sign of life, so it takes at most three times every until this
// is seen.
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

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
