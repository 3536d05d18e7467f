package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// clockwork is progress with a clock that the test moves.
type clockwork struct {
	Progress
	out bytes.Buffer
	at  time.Time
}

func newClockwork(terminal bool) *clockwork {
	c := &clockwork{at: time.Unix(1_790_000_000, 0)}
	c.Out, c.Terminal, c.Width, c.Now = &c.out, terminal, 80, func() time.Time { return c.at }
	return c
}

// after moves the clock, draws, and returns what was written since.
func (c *clockwork) after(d time.Duration) string {
	c.at = c.at.Add(d)
	c.draw()
	defer c.out.Reset()
	return c.out.String()
}

func TestStatusLine(t *testing.T) {
	t.Parallel()
	c := newClockwork(true)
	if got := c.after(time.Hour); got != "" {
		t.Errorf("nothing goes on, and there is %q", got)
	}
	c.Tell("Listing resources", 0, 0)
	if got := c.after(100 * time.Millisecond); got != "" {
		t.Errorf("short work shows %q", got)
	}
	if got, want := c.after(100*time.Millisecond), "\rListing resources\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.Tell("Listing resources", 3000, 10_000)
	if got := c.after(199 * time.Millisecond); got != "" {
		t.Errorf("drawn more than five times a second: %q", got)
	}
	if got, want := c.after(9601*time.Millisecond), "\rListing resources: 3,000 of 10,000, "+
		"300/s, 23s left\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := c.Write(&c.out, []byte("another line\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := c.after(0), "\r\x1b[Kanother line\n\rListing resources: 3,000 of 10,000, "+
		"300/s, 23s left\x1b[K"; got != want {
		t.Errorf("beside another line: got %q, want %q", got, want)
	}
	if _, err := c.Write(&c.out, []byte("what is asked: ")); err != nil {
		t.Fatal(err)
	}
	if got, want := c.after(0), "\r\x1b[Kwhat is asked: "; got != want {
		t.Errorf("beside a question: got %q, want %q", got, want)
	}
	c.Tell("Reading quotas", 1, 100)
	if got, want := c.after(10*time.Second),
		"\rReading quotas: 1 of 100, 0.1/s, 16m30s left\x1b[K"; got != want {
		t.Errorf("other work begins anew: got %q, want %q", got, want)
	}
	c.End()
	if got := c.after(time.Hour); got != "\r\x1b[K" {
		t.Errorf("at the end there is %q", got)
	}
}

// The status line is only one line, however narrow the terminal is.
func TestStatusLineIsCut(t *testing.T) {
	t.Parallel()
	c := newClockwork(true)
	c.Width = 20
	c.Tell("Looking at directories", 3000, 10_000)
	if got, want := c.after(10*time.Second), "\rLooking at director\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressLines(t *testing.T) {
	t.Parallel()
	c := newClockwork(false)
	c.Tell("Applying", 0, 10_000)
	var lines []string
	for range 250 {
		c.done += 10
		if got := c.after(100 * time.Millisecond); got != "" {
			lines = append(lines, got)
		}
	}
	c.End()
	want := "Applying: 1,000 of 10,000, 100/s, 1m30s left\nApplying: 2,000 of 10,000, 100/s, " +
		"1m20s left\n"
	if got := strings.Join(lines, "") + c.after(0); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
