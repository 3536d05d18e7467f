// Package progress tells people how far long work is: which work, how many of how many are done,
// how fast, and how long it will still take. On a terminal it draws a status line, and removes it
// at the end; elsewhere it adds a line every ten seconds, or writes events as JSON.
package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// How often progress is shown: a status line is drawn again at most five times a second.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	eventEvery  = time.Second
)

// Progress is where work is told about. What is shown, and when, is decided here alone. A nil
// Progress shows nothing.
type Progress struct {
	Out io.Writer
	// Terminal has one line drawn again and again; otherwise lines are added.
	Terminal bool
	// Events are written in place of text: JSON, one a line.
	Events bool
	// Width is how many columns the terminal has.
	Width int
	Now   func() time.Time

	mu sync.Mutex
	// what is the work, empty between two; begun is when it was first heard of.
	what        string
	done, total int
	begun       time.Time
	// drawn is when something was last shown; text is the status line, and visible reports whether
	// it is there.
	drawn   time.Time
	text    string
	visible bool
}

// Follow shows progress from now on, until the function that it returns is called.
func (p *Progress) Follow() (stop func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		again := time.NewTicker(redrawEvery)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				p.draw()
			case <-ended:
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
		p.End()
	}
}

// Tell says how much of some work is done. A total of 0 is not known.
func (p *Progress) Tell(what string, done, total int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.hide()
		p.what, p.begun, p.drawn = what, p.Now(), p.Now()
		p.done, p.total = done, total
		if p.Events {
			p.writeEvent(p.begun)
		}
	}
	p.done, p.total = done, total
}

// End removes the status line: no work is going on.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hide()
	p.what = ""
}

// Write writes something else, above the status line. A text that does not end its line hides the
// status line for now.
func (p *Progress) Write(to io.Writer, b []byte) (int, error) {
	if p == nil {
		return to.Write(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.visible && bytes.HasSuffix(b, []byte("\n"))
	p.hide()
	n, err := to.Write(b)
	if again {
		p.show()
	}
	return n, err
}

// draw shows how far the work is, if it is time to.
func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	every := lineEvery
	if p.Events {
		every = eventEvery
	}
	if p.Terminal {
		every = redrawEvery
	}
	if p.what == "" || now.Sub(p.drawn) < every {
		return
	}
	p.drawn = now
	if p.Events {
		p.writeEvent(now)
		return
	}
	if !p.Terminal {
		fmt.Fprintln(p.Out, p.line(now))
		return
	}
	text := []rune(p.line(now))
	p.text = string(text[:min(len(text), p.Width-1)])
	p.show()
}

// event is a line of plan --json --events: docs/schema/plan-event-1.0.schema.json.
type event struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Work  string    `json:"work"`
	Done  int       `json:"done"`
	// Total is 0 where it is not known.
	Total int `json:"total"`
}

// event writes how far the work is; mu is held.
func (p *Progress) writeEvent(now time.Time) {
	b, err := json.Marshal(event{"progress", now.UTC(), p.what, p.done, p.total})
	if err == nil {
		fmt.Fprintf(p.Out, "%s\n", render.EscapeJSON(b))
	}
}

// show draws the status line as it is; mu is held.
func (p *Progress) show() {
	fmt.Fprintf(p.Out, "\r%s\x1b[K", p.text)
	p.visible = true
}

// hide removes the status line; mu is held.
func (p *Progress) hide() {
	if p.visible {
		fmt.Fprint(p.Out, "\r\x1b[K")
		p.visible = false
	}
}

// line is "Looking at directories: 3,000 of 10,000, 300/s, 23s left". Rate and time left are those
// of the whole work so far, and left out until there are any.
func (p *Progress) line(now time.Time) string {
	text := p.what
	if p.done > 0 || p.total > 0 {
		text += ": " + planner.Commas(uint64(p.done))
	}
	if p.total > 0 {
		text += " of " + planner.Commas(uint64(p.total))
	}
	took := now.Sub(p.begun)
	if p.done == 0 || took < time.Second {
		return text
	}
	rate := float64(p.done) / took.Seconds()
	if rate >= 1 {
		text += fmt.Sprintf(", %s/s", planner.Commas(uint64(rate)))
	} else {
		text += fmt.Sprintf(", %.2g/s", rate)
	}
	if left := p.total - p.done; left > 0 {
		text += fmt.Sprintf(", %v left",
			time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// WidthOf returns how many columns a stream has: 80 unless it is a terminal that says otherwise.
func WidthOf(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
