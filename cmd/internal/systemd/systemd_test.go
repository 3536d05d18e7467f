package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotify: systemd gets each message, and a reload with the time at which it begins.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	next := func() string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	Notify("READY=1")
	if got := next(); got != "READY=1" {
		t.Errorf("%q", got)
	}
	Reloading()
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("%q", got)
	}
}

// TestWatchdogInterval is half of what systemd wants, and 0 where it wants nothing.
func TestWatchdogInterval(t *testing.T) {
	for value, want := range map[string]time.Duration{"20000000": 10 * time.Second, "": 0, "nonsense": 0} {
		t.Setenv("WATCHDOG_USEC", value)
		if got := WatchdogInterval(); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
