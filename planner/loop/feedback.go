package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/feedback"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Feedback says what the loop reports to Waldur in addition to callbacks, and how.
type Feedback struct {
	// Usage and Messages say what is reported.
	Usage, Messages bool
	// Tell sends one note, once. The error is a [*feedback.NotTaken] if Waldur refused the note. After
	// any other error it is not known whether Waldur took it.
	Tell func(ctx context.Context, n feedback.Note) error
}

const (
	// messageAfter is how long an order waits before its customer gets a message: most orders do not
	// wait that long.
	messageAfter = 15 * time.Minute
	// feedbackPatience is how long one `run --once` may take for its feedback.
	feedbackPatience = 30 * time.Second
	// keepEvery is after how many notes the memory is written.
	keepEvery = 20
	// mostFailures is after how many failures in a row the rest waits for the next round.
	mostFailures = 3
	// longestPause is the longest time for which nothing is sent to Waldur.
	longestPause = time.Hour
)

// feedbackSender sends feedback to Waldur in a goroutine of its own, so that no round waits for it.
// Rounds only hand over their news.
type feedbackSender struct {
	mu   sync.Mutex
	next *news
	wake chan struct{}
	// paused says until when nothing is sent, because Waldur refused the token or did not answer. Only
	// the sending goroutine uses it.
	paused pause
}

// news is what rounds have handed over and nobody has sent yet.
type news struct {
	to    Feedback
	files Files
	now   func() time.Time
	// mine returns an error once this loop may no longer send.
	mine func() error
	warn func(string, ...any)
	// usage and messages are the notes that are true now; nil where no round has said it.
	usage, messages []feedback.Note
	// forget drops what is remembered as sent, because another node may have sent something else
	// since.
	forget bool
}

func newFeedbackSender() *feedbackSender { return &feedbackSender{wake: make(chan struct{}, 1)} }

// say replaces news that was not sent yet.
func (w *feedbackSender) say(n news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.next; old != nil {
		n.forget = n.forget || old.forget
		if n.usage == nil {
			n.usage = old.usage
		}
		if n.messages == nil {
			n.messages = old.messages
		}
	}
	w.next = &n
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *feedbackSender) take() *news {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.next
	w.next = nil
	return n
}

// putBack keeps news that could not be sent for a later round, unless a round has said something
// newer already.
func (w *feedbackSender) putBack(n *news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = n
	}
}

// run sends news until ctx ends.
func (w *feedbackSender) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			w.tellAll(ctx)
		}
	}
}

// tellAll sends the newest news.
func (w *feedbackSender) tellAll(ctx context.Context) {
	n := w.take()
	if n == nil {
		return
	}
	if waitsUntil(n.now(), w.paused.until, longestPause) {
		w.putBack(n)
		return
	}
	memory, err := readTold(n.files)
	if err != nil {
		n.warn("what was reported to Waldur is not known; the loop reports it again",
			"error", err.Error())
	}
	if n.forget {
		clear(memory)
	}
	var due []feedback.Note
	for kind, want := range map[feedback.Kind][]feedback.Note{feedback.Message: n.messages,
		feedback.Usage: n.usage} {
		if want != nil {
			memory.Forget(kind, want)
			due = append(due, memory.Due(want, n.now())...)
		}
	}
	// messages first, because people wait for them
	slices.SortStableFunc(due, func(a, b feedback.Note) int {
		return byKind(a.Kind) - byKind(b.Kind)
	})
	err = n.tell(ctx, due, memory)
	if err == nil {
		w.paused = pause{}
	} else if ctx.Err() == nil {
		w.paused.count++
		w.paused.until = n.now().Add(backoff.Wait(2*time.Minute, longestPause, w.paused.count))
		n.warn("telling Waldur ends early; the rest follows after a later round", "error", err.Error())
	}
}

func byKind(k feedback.Kind) int {
	if k == feedback.Message {
		return 0
	}
	return 1
}

// tell sends notes one by one, and remembers those that were sent.
func (n *news) tell(ctx context.Context, due []feedback.Note, memory feedback.Reported) (err error) {
	if len(due) == 0 && !n.forget {
		return nil
	}
	// The memory is written first: what could not be remembered would be sent again and again.
	if err := writeTold(n.files, memory); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writeTold(n.files, memory)) }()
	failures := 0
	for i, note := range due {
		if err := errors.Join(ctx.Err(), n.mine()); err != nil {
			return err
		}
		err := n.to.Tell(ctx, note)
		var refused *feedback.NotTaken
		switch {
		case err == nil:
			memory.Took(note)
			failures = 0
		case ctx.Err() != nil:
			memory.Failed(note, err.Error(), false, 0, n.now())
			return ctx.Err()
		case errors.As(err, &refused) && refused.All:
			return err // Waldur took none of it, and would not take the next note either
		default:
			after := time.Duration(0)
			if refused != nil {
				after = refused.RetryAfter
			}
			memory.Failed(note, err.Error(), refused != nil, after, n.now())
			n.warn("Waldur was not told", "what", note.Kind, "address", note.Address, "error",
				err.Error())
			if refused == nil {
				failures++
			}
		}
		if failures == mostFailures {
			return fmt.Errorf("%d in a row got no answer, or none that counts", failures)
		}
		if note.Kind == feedback.Message || i%keepEvery == keepEvery-1 {
			if err := writeTold(n.files, memory); err != nil {
				return err
			}
		}
	}
	return nil
}

// feedBack hands over the news of a round. An audit has seen everything; the orders lane knows only
// about orders.
func (r *round) feedBack(p *engine.Planned) {
	f := r.loop.cfg.Feedback
	if f.Tell == nil || r.loop.Options.DryRun || !f.Usage && !f.Messages {
		return
	}
	// A copy: the sending goroutine must not read what a reload changes.
	leader := r.loop.leader()
	mine := func() error {
		if leader == nil {
			return nil
		}
		return leader.Check()
	}
	n := news{to: f, files: r.loop.env.Files, now: r.loop.clock, mine: mine, warn: r.loop.log.Warn,
		forget: r.loop.tellAgain}
	r.loop.tellAgain = false
	if f.Messages {
		n.messages = r.messages()
	}
	if f.Usage && r.lane == LaneAudit {
		n.usage = feedback.Usages(p.Graph.Views(), p.Graph.QuotaViews(),
			r.loop.cfg.Engine.Settings.Tera, r.loop.now())
	}
	r.loop.feedback.say(n)
}

// messages returns the messages to customers about their orders. Messages of orders that the round
// did not see stay as they are.
func (r *round) messages() []feedback.Note {
	notes := []feedback.Note{}
	now := r.loop.now()
	for _, k := range slices.SortedFunc(maps.Keys(r.loop.history.Orders), planner.Key.Compare) {
		w := r.loop.history.Orders[k]
		if w.Order == "" || !w.TakesMessage {
			continue
		}
		n := feedback.Note{Kind: feedback.Message, ID: w.Order, Address: w.Address}
		if now.Sub(w.Since) >= messageAfter {
			n.Says = w.Message
		}
		notes = append(notes, n)
	}
	return notes
}

// message returns the message to the customer of an order: why it is blocked, or that a person has
// to approve it. It is empty if the order only waits for something that passes by itself.
func message(code codes.Code, decision policy.Code, isBlocked bool) string {
	switch {
	case isBlocked, code == codes.Hold:
		return feedback.Blocked(code)
	case decision == policy.NotAllowed || decision == policy.OverLimit:
		return feedback.HeldMessage
	}
	return ""
}

// toldFile returns the path of the file that remembers what was sent to Waldur.
func toldFile(files Files) string { return filepath.Join(files.Dir(), "told.json") }

// keptTold is the content of that file.
type keptTold struct {
	Format int               `json:"format"`
	Told   feedback.Reported `json:"told"`
}

const toldFormat = 1

// readTold reads what was sent to Waldur. After an error it returns an empty memory.
func readTold(files Files) (feedback.Reported, error) {
	data, err := files.Read(toldFile(files), 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return feedback.Reported{}, nil
	}
	var kept keptTold
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err == nil && kept.Format != toldFormat {
		err = fmt.Errorf("it has format %d, but this version reads %d", kept.Format, toldFormat)
	}
	if err != nil || kept.Told == nil {
		return feedback.Reported{}, err
	}
	return kept.Told, nil
}

func writeTold(files Files, m feedback.Reported) error {
	data, err := json.Marshal(keptTold{toldFormat, m})
	if err == nil {
		err = files.Write(toldFile(files), render.EscapeJSON(append(data, '\n')), nil)
	}
	if err != nil {
		return fmt.Errorf("keep what Waldur was told: %w", err)
	}
	return nil
}
