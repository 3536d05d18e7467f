package main

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

// How often progress is shown: a status line on a terminal is drawn anew at most five times a second; elsewhere there is a
// line every ten seconds.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	eventEvery  = time.Second
)

// progress tells people how far long work is: which work, how many of how many are done, how fast, and how long it will
// still take. Whoever works calls tell; what is shown, and when, is decided here alone. A nil progress shows nothing.
type progress struct {
	out io.Writer
	// terminal has one line drawn again and again, and taken away at the end; otherwise lines are added.
	terminal bool
	// events are written in place of text: JSON, one a line.
	events bool
	width  int
	now    func() time.Time

	mu sync.Mutex
	// what is the work, empty between two; begun is when it was first heard of.
	what        string
	done, total int
	begun       time.Time
	// drawn is when something was last shown; text is the status line, and visible tells that it stands there.
	drawn   time.Time
	text    string
	visible bool
}

// showProgress begins to show progress on stderr, until the function that it returns is called.
func (a *app) showProgress() (stop func()) {
	kind, _ := a.getenv("TERM")
	return a.follow(&progress{out: a.stderr, terminal: a.terminal(a.stderr) && kind != "dumb", width: widthOf(a.stderr), now: a.now})
}

// streamProgress begins to write progress to stdout as events, until the function that it returns is called.
func (a *app) streamProgress() (stop func()) {
	return a.follow(&progress{out: a.stdout, events: true, now: a.now})
}

// follow has a progress shown until the function that it returns is called.
func (a *app) follow(p *progress) (stop func()) {
	a.statusLine.Store(p)
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
		a.statusLine.Store(nil)
		p.end()
	}
}

// widthOf is how many columns a stream has: 80 unless it is a terminal that says otherwise.
func widthOf(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// tellProgress is what works are given: who does not show progress tells nobody.
func (a *app) tellProgress(work string, done, total int) { a.statusLine.Load().tell(work, done, total) }

// tell says how much of some work is done. A total of 0 is not known.
func (p *progress) tell(what string, done, total int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.hide()
		p.what, p.begun, p.drawn = what, p.now(), p.now()
		p.done, p.total = done, total
		if p.events {
			p.event(p.begun)
		}
	}
	p.done, p.total = done, total
}

// end takes the status line away: nothing goes on any more.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hide()
	p.what = ""
}

// write writes something else, above the status line. What does not end its line hides the status line for now.
func (p *progress) write(to io.Writer, b []byte) (int, error) {
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
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	every := lineEvery
	if p.events {
		every = eventEvery
	}
	if p.terminal {
		every = redrawEvery
	}
	if p.what == "" || now.Sub(p.drawn) < every {
		return
	}
	p.drawn = now
	if p.events {
		p.event(now)
		return
	}
	if !p.terminal {
		fmt.Fprintln(p.out, p.line(now))
		return
	}
	text := []rune(p.line(now))
	p.text = string(text[:min(len(text), p.width-1)])
	p.show()
}

// progressEvent is a line of plan --json --events: docs/schema/plan-event-1.0.schema.json.
type progressEvent struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	Work  string    `json:"work"`
	Done  int       `json:"done"`
	// Total is 0 where it is not known.
	Total int `json:"total"`
}

// event writes how far the work is; mu is held.
func (p *progress) event(now time.Time) {
	b, err := json.Marshal(progressEvent{"progress", now.UTC(), p.what, p.done, p.total})
	if err == nil {
		fmt.Fprintf(p.out, "%s\n", render.EscapeJSON(b))
	}
}

// show draws the status line as it is; mu is held.
func (p *progress) show() {
	fmt.Fprintf(p.out, "\r%s\x1b[K", p.text)
	p.visible = true
}

// hide takes the status line away; mu is held.
func (p *progress) hide() {
	if p.visible {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.visible = false
	}
}

// line is "Looking at directories: 3,000 of 10,000, 300/s, 23s left". Rate and time left are those of the whole work so
// far, and left out until there are any.
func (p *progress) line(now time.Time) string {
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
		text += fmt.Sprintf(", %v left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// besideProgress writes to a stream without breaking into the status line.
type besideProgress struct {
	a   *app
	out io.Writer
}

func (w besideProgress) Write(b []byte) (int, error) {
	return w.a.statusLine.Load().write(w.out, b)
}
