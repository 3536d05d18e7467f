// Package progress shows people how far long work has come: which work it is, how much of it is
// done, how fast it is, and how long it will still take. On a terminal it draws a status line, and
// removes it at the end. Elsewhere it adds a line every ten seconds, or writes events as JSON.
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

// How often progress is shown. A status line is redrawn at most five times a second.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	eventEvery  = time.Second
)

// Progress is told about work, and decides what is shown and when. A nil Progress shows nothing.
type Progress struct {
	Out io.Writer
	// Terminal means that one line is redrawn; otherwise lines are added.
	Terminal bool
	// Events are written in place of text: one JSON object per line.
	Events bool
	// Width is the number of columns of the terminal.
	Width int
	Now   func() time.Time

	mu sync.Mutex
	// what is the current work, or "" if there is none. begun is when it was first heard of.
	what        string
	done, total int
	begun       time.Time
	// shownAt is when something was last shown. text is the status line. visible reports whether it is
	// on the screen.
	shownAt time.Time
	text    string
	visible bool
}

// Follow shows progress until the function that it returns is called.
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

// Tell reports how much of some work is done. A total of 0 means unknown.
func (p *Progress) Tell(what string, done, total int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.hide()
		p.what, p.begun, p.shownAt = what, p.Now(), p.Now()
		p.done, p.total = done, total
		if p.Events {
			p.writeEvent(p.begun)
		}
	}
	p.done, p.total = done, total
}

// End removes the status line, because there is no more work.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hide()
	p.what = ""
}

// Write writes other text above the status line. If the text does not end its line, the status line
// is hidden for now.
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

// draw shows progress if enough time has passed.
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
	if p.what == "" || now.Sub(p.shownAt) < every {
		return
	}
	p.shownAt = now
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

// event is a line of plan --json --events; see docs/schema/plan-event-1.0.schema.json.
type event struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Work  string    `json:"work"`
	Done  int       `json:"done"`
	// Total is 0 if it is unknown.
	Total int `json:"total"`
}

// writeEvent writes how far the work has come. The caller holds mu.
func (p *Progress) writeEvent(now time.Time) {
	b, err := json.Marshal(event{"progress", now.UTC(), p.what, p.done, p.total})
	if err == nil {
		fmt.Fprintf(p.Out, "%s\n", render.EscapeJSON(b))
	}
}

// show draws the current status line. The caller holds mu.
func (p *Progress) show() {
	fmt.Fprintf(p.Out, "\r%s\x1b[K", p.text)
	p.visible = true
}

// hide removes the status line. The caller holds mu.
func (p *Progress) hide() {
	if p.visible {
		fmt.Fprint(p.Out, "\r\x1b[K")
		p.visible = false
	}
}

// line returns text such as "Looking at directories: 3,000 of 10,000, 300/s, 23s left". Rate and
// time left are those of the whole work so far. They are omitted until they are known.
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

// WidthOf returns the number of columns of a stream. It is 80 unless the stream is a terminal that
// has another width.
func WidthOf(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
