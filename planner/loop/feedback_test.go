package loop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/feedback"
)

// mortalFiles keep files in memory until they die, as in a killed process. After that nothing is
// written.
type mortalFiles struct {
	Files
	mu    sync.Mutex
	files map[string][]byte
	lives int
}

var errDead = errors.New("killed")

func (f *mortalFiles) Dir() string { return "/state" }

func (f *mortalFiles) Read(path string, _ int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (f *mortalFiles) Write(path string, data []byte, _ func([]byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lives--; f.lives < 0 {
		return errDead
	}
	f.files[path] = data
	return nil
}

func someNotes() (usage, messages []feedback.Note) {
	for i := range 50 {
		usage = append(usage, feedback.Note{Kind: feedback.Usage, ID: fmt.Sprintf("u%d", i),
			Says: "1.00", Period: "2026-11"})
	}
	for i := range 5 {
		messages = append(messages, feedback.Note{Kind: feedback.Message, ID: fmt.Sprintf("m%d", i),
			Says: feedback.HeldMessage})
	}
	return usage, messages
}

// saying is what a round hands over.
func saying(files Files, tell func(context.Context, feedback.Note) error) news {
	n := news{to: Feedback{Usage: true, Messages: true, Tell: tell}, files: files,
		now:  func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) },
		mine: func() error { return nil }, warn: func(string, ...any) {}}
	n.usage, n.messages = someNotes()
	return n
}

// TestToldThoughKilled: if the process is killed after any write of the memory, the next process
// sends what is left. A message is sent twice at most, and usage no more often than the memory is
// written.
func TestToldThoughKilled(t *testing.T) {
	for lives := range 12 {
		files := &mortalFiles{files: map[string][]byte{}, lives: lives}
		told := map[string]int{}
		tell := func(_ context.Context, n feedback.Note) error {
			if files.lives < 0 {
				return errDead
			}
			told[n.ID]++
			return nil
		}
		newFeedbackSender().say(saying(files, tell))
		for range 3 {
			w := newFeedbackSender()
			w.say(saying(files, tell))
			w.tellAll(t.Context())
			files.lives = 1000
		}
		if len(told) != 55 {
			t.Errorf("killed after %d writings: %d of 55 were told", lives, len(told))
		}
		for id, n := range told {
			if n > 2 {
				t.Errorf("killed after %d writings: %s was told %d times", lives, id, n)
			}
		}
	}
}

// TestNotToldByStandby: once another node may lead, nothing is sent. A node that begins to lead
// sends everything, because the other node may have sent something else.
func TestNotToldByStandby(t *testing.T) {
	files := &mortalFiles{files: map[string][]byte{}, lives: 1000}
	sent := 0
	tell := func(context.Context, feedback.Note) error { sent++; return nil }
	w := newFeedbackSender()
	n := saying(files, tell)
	n.mine = func() error {
		if sent == 7 {
			return errors.New("another node leads")
		}
		return nil
	}
	w.say(n)
	w.tellAll(t.Context())
	if sent != 7 {
		t.Errorf("%d were sent after the lead was lost", sent-7)
	}
	w = newFeedbackSender()
	n = saying(files, tell)
	n.forget = true
	w.say(n)
	w.tellAll(t.Context())
	if sent != 7+55 {
		t.Errorf("a new leader told %d of 55", sent-7)
	}
}

// TestNoMemoryNothingTold: without its memory, the loop would send the same in every round.
func TestNoMemoryNothingTold(t *testing.T) {
	w := newFeedbackSender()
	w.say(saying(&mortalFiles{files: map[string][]byte{}},
		func(context.Context, feedback.Note) error {
			t.Error("something was told")
			return nil
		}))
	w.tellAll(t.Context())
}

// TestRoundsDoNotWaitForWaldur: a round only hands over its news, even while Waldur does not
// answer. After three requests without an answer, the rest waits.
func TestRoundsDoNotWaitForWaldur(t *testing.T) {
	files := &mortalFiles{files: map[string][]byte{}, lives: 1000}
	ctx, cancel := context.WithCancel(t.Context())
	w := newFeedbackSender()
	asked := make(chan feedback.Note, 100)
	ended := make(chan struct{})
	go func() { w.run(ctx); close(ended) }()
	hang := func(ctx context.Context, n feedback.Note) error {
		asked <- n
		<-ctx.Done()
		return ctx.Err()
	}
	w.say(saying(files, hang))
	if first := <-asked; first.Kind != feedback.Message {
		t.Errorf("usage is told before messages: %+v", first)
	}
	for range 1000 {
		w.say(saying(files, hang))
	}
	cancel()
	<-ended
	sent := 0
	w = newFeedbackSender()
	w.say(saying(&mortalFiles{files: map[string][]byte{}, lives: 1000},
		func(context.Context, feedback.Note) error { sent++; return errors.New("no answer") }))
	w.tellAll(t.Context())
	if sent != mostFailures {
		t.Errorf("%d were sent to a Waldur that does not answer", sent)
	}
	w.say(saying(files, func(context.Context, feedback.Note) error { sent++; return nil }))
	w.tellAll(t.Context())
	if sent != mostFailures || w.next == nil {
		t.Error("the pause is not kept, or what was said is lost")
	}
}
