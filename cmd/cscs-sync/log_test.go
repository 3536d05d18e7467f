package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadReloadInJSON: what is wrong with a new configuration stands in the log as entries, and nothing stands between them.
func TestBadReloadInJSON(t *testing.T) {
	s := newService(t, "")
	var out bytes.Buffer
	l := s.inProcess(time.Now, func(ses *session) {
		ses.app.term.Err, ses.app.logFormat = &out, "json"
		ses.app.log = ses.app.logger(slog.LevelInfo)
	})
	s.check(os.WriteFile(filepath.Join(s.dir, "cscs-sync.hcl"), []byte("proxy {\n  nonsense = 1\n"), 0o600))
	l.Reload()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("this is no JSON: %s", line)
		}
	}
	if len(lines) < 2 || !strings.Contains(lines[0], "cscs-sync.hcl:") {
		t.Errorf("the fault is not named:\n%s", out.String())
	}
}
