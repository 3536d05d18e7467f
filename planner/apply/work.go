package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// work does one action on the storage, and puts into o what is to be recorded and reported.
func (e *Engine) work(ctx context.Context, stop <-chan struct{}, job *Job, w *Work,
	o *outcome) error {
	a := w.Action
	if w.Finished {
		return e.finished(ctx, job, w, o)
	}
	if err := e.parentsOf(a); err != nil {
		return err
	}
	var err error
	switch a.Kind {
	case planner.Create:
		err = e.create(ctx, job, w, o)
	case planner.Update, planner.Adopt:
		err = e.update(ctx, stop, job, w, o)
	case planner.Report:
		e.report(w, o)
	case planner.Archive:
		err = e.archive(ctx, job, w, o)
	case planner.Restore:
		err = e.restore(ctx, job, w, o)
	case planner.RejectOrder, planner.FailOrder:
	default:
		err = fmt.Errorf("apply %s: unknown action %q", a.Address, a.Kind)
	}
	if err != nil {
		return err
	}
	return e.queue(job, w, o)
}

// queue adds to o the callbacks that are due when the storage is done.
func (e *Engine) queue(job *Job, w *Work, o *outcome) error {
	if w.Queued {
		return nil
	}
	for _, c := range w.Action.Callbacks {
		if w.Action.Kind == planner.Archive && c == planner.Approve {
			continue // sent before the move
		}
		url, ok := w.URLs[c]
		if !ok && c == planner.Approve {
			continue // somebody approved it meanwhile
		}
		if !ok {
			return fmt.Errorf("report %s: Waldur no longer offers %s; look at its order in Waldur, "+
				"and plan again", w.Action.Address, c)
		}
		o.calls = append(o.calls, ledger.Delivery{Key: w.Action.Key, Address: w.Action.Address,
			Order: w.Action.Order, Callback: c, URL: url,
			Body: w.Bodies[c], Plan: job.ID, OrderURL: w.Order})
	}
	return nil
}

// wanted returns the value that a plan's changes give an attribute, or before if they do not
// mention it.
func wanted(a *planner.Action, at planner.Attribute, before planner.Value) planner.Value {
	if v, ok := a.After(at); ok {
		return v
	}
	return before
}

func changes(a *planner.Action, at ...planner.Attribute) bool {
	return slices.ContainsFunc(a.Changes, func(c planner.Change) bool {
		return slices.Contains(at, c.Attribute)
	})
}

// update makes the plan's changes to an existing directory. It compares each attribute once more
// before.
func (e *Engine) update(ctx context.Context, stop <-chan struct{}, job *Job, w *Work,
	o *outcome) error {
	a := w.Action
	d, err := e.Storage.Open(a.System, a.Storage, a.Inode)
	if err != nil {
		return err
	}
	defer func() {
		if o.unsynced == nil {
			d.Close()
		}
	}()
	now := d.Observe()
	if now.State != planner.DirPresent {
		return fmt.Errorf("look at %s: %s", a.Storage, now.Why)
	}
	for _, c := range a.Changes {
		if c.Attribute.IsQuota() {
			continue
		}
		seen, _ := now.Attribute(c.Attribute)
		if seen != c.Before && seen != c.After {
			return fmt.Errorf("change %s: its %s is %s, but was %s when planned; plan again", a.Storage,
				c.Attribute,
				planner.Show(c.Attribute, seen), planner.Show(c.Attribute, c.Before))
		}
	}
	if err := e.quota(ctx, job, w); err != nil {
		return err
	}
	if err := e.tag(ctx, stop, a, o, d); err != nil {
		return err
	}
	if err := e.setAttributes(w, o, d, d.Observe()); err != nil {
		return err
	}
	if a.Kind == planner.Adopt { // a killed apply may have made it, and nothing records that
		o.unsynced = &unsynced{dir: d, action: a}
	}
	return nil
}

// errStopped means that a step was left unfinished because the apply was told to stop. The next
// apply continues it.
var errStopped = errors.New("stopped")

// tag gives a directory and everything below it its project id, after the quota is set: an untagged
// tree is only not counted, but a tagged tree without a quota would have no limit for a moment. The
// directory itself is tagged last. If tagging did not finish, the directory still shows its old id
// and is tagged again.
func (e *Engine) tag(ctx context.Context, stop <-chan struct{}, a *planner.Action, o *outcome,
	d Directory) error {
	project, ok := wanted(a, planner.Project, planner.Value{}).Number()
	if !a.Tag || !ok {
		return nil
	}
	e.reached("tag")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // tagging a tree may take hours, so a stop does not wait for it
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	var held error
	left, err := d.Tag(ctx, planner.ProjectID(project), func(seen int) {
		e.tell(Event{Action: a, Step: fmt.Sprintf("tagged %d entries", seen)})
		if held = e.held(a.Address); held != nil {
			cancel()
		}
	})
	if held != nil {
		return fmt.Errorf("it is tagged in part: %w", held)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	if err != nil {
		return err
	}
	e.reached("tagged")
	if left > 0 {
		o.steps = append(o.steps, fmt.Sprintf("left %d hard links that lead out of it", left))
	}
	return nil
}

// keepRecord records the resource as wanted, with the directory that was seen.
func (e *Engine) keepRecord(w *Work, o *outcome, seen planner.Directory) {
	o.inode = seen.Inode
	if w.Record.Key.Item == "" || w.Action.Target.IsBranch() {
		return
	}
	r := w.Record
	r.Inode, r.Born, r.At = seen.Inode, seen.Born, e.Now().UTC()
	o.record = &r
}

// report changes nothing: the storage was just observed as wanted.
func (e *Engine) report(w *Work, o *outcome) {
	switch {
	case slices.Contains(w.Action.Danger, planner.DangerMissing):
		o.forget = true
	case w.Record.Inode != 0 && w.Record.Key.Item != "":
		e.keepRecord(w, o, planner.Directory{Inode: w.Record.Inode, Born: w.Record.Born})
	}
}

// quota sets the limits that the plan changes, all four in one call, and reads them back.
func (e *Engine) quota(ctx context.Context, job *Job, w *Work) error {
	a := w.Action
	if a.Quota == nil || !slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool { return c.Attribute.IsQuota() }) {
		return nil
	}
	what := fmt.Sprintf("set quota of %s on %s", a.Quota, a.System)
	before, err := e.quotaBefore(ctx, job, w)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if before.LimitsWhy() != "" {
		return fmt.Errorf("%s: the current limits could not be read: %s", what, before.LimitsWhy())
	}
	want, err := limitsAfter(a, before.Limits)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if want == before.Limits {
		return nil
	}
	if before.Handle() != a.Handle && !(w.Pending && a.Handle == "") {
		return fmt.Errorf("%s: %s, but %s when planned; plan again", what, standing(before.Handle()),
			stood(a.Handle))
	}
	return e.setLimits(ctx, a, *a.Quota, want, before)
}

// stepPending is the journal's name for the request for a quota that its backend may still be
// working on.
const stepPending = "quota pending"

// pendingTries is how often, once a second, the engine looks for a quota that an earlier run
// requested.
const pendingTries = 30

// quotaBefore returns the quota before it is set. If the backend may still be working on an earlier
// run's request, quotaBefore waits for it, because a second request could make a second quota. It
// journals a first request.
func (e *Engine) quotaBefore(ctx context.Context, job *Job, w *Work) (planner.QuotaState, error) {
	a := w.Action
	before := e.Storage.Quota(ctx, a.System, *a.Quota)
	if !w.Async || !before.Absent {
		return before, nil
	}
	if !w.Pending {
		return before, e.Journal.Update(func(tx ledger.Tx) error {
			return tx.AppendSteps(job.ID, []ledger.Step{{Key: a.Key, Name: stepPending,
				Note: a.Quota.String()}})
		})
	}
	e.tell(Event{Action: a, Step: "waiting for its quota, which an earlier run asked for"})
	for range pendingTries {
		if err := e.Sleep(ctx, time.Second); err != nil {
			return before, err
		}
		if before = e.Storage.Quota(ctx, a.System, *a.Quota); !before.Absent {
			break
		}
	}
	return before, nil
}

// standing says which quota there is, by its handle, and stood which one there was.
func standing(handle string) string {
	if handle == "" {
		return "there is no quota"
	}
	return "there is quota " + handle
}

func stood(handle string) string {
	if handle == "" {
		return "there was none"
	}
	return "there was quota " + handle
}

// setLimits sets all four limits and reads them back, because only what was seen counts as set. The
// storage's own error already says what could not be set.
func (e *Engine) setLimits(ctx context.Context, a *planner.Action, on planner.QuotaID,
	want planner.Limits, before planner.QuotaState) error {
	e.reached("quota")
	if err := e.Storage.SetQuota(ctx, a.System, on, want, before); err != nil {
		return err
	}
	e.reached("quota set")
	switch after := e.Storage.Quota(ctx, a.System, on); {
	case after.LimitsWhy() != "":
		return fmt.Errorf("quota of %s on %s was set, but could not be read back: %s", on, a.System,
			after.LimitsWhy())
	case after.Absent:
		return fmt.Errorf("quota of %s on %s was set, but none is there", on, a.System)
	case after.Limits != want:
		return fmt.Errorf("quota of %s on %s was set, but reads back as %s instead of %s", on, a.System,
			showLimits(after.Limits), showLimits(want))
	}
	return nil
}

// limitsAfter returns all four limits after the plan's changes. It refuses a limit that is neither
// as planned nor as wanted: somebody else has changed it since.
func limitsAfter(a *planner.Action, now planner.Limits) (planner.Limits, error) {
	for _, c := range a.Changes {
		if !c.Attribute.IsQuota() {
			continue
		}
		is := now[c.Attribute].Value()
		unset := c.Before.IsAbsent() && is.IsUnlimited()
		if is != c.Before && is != c.After && !unset {
			return planner.Limits{}, fmt.Errorf("its %s is %s, but was %s when planned; plan again",
				c.Attribute,
				planner.Show(c.Attribute, is), planner.Show(c.Attribute, c.Before))
		}
		now[c.Attribute] = planner.LimitFrom(c.After)
	}
	return now, nil
}

func showLimits(l planner.Limits) string {
	var words []string
	for _, q := range planner.Quantities() {
		words = append(words, fmt.Sprintf("%s %s/%s", q.Name, l.Show(q.Soft), l.Show(q.Hard)))
	}
	return strings.Join(words, ", ")
}

// finished handles a resource whose order was ended by a callback of an earlier run that was killed
// before it could record that. If Waldur ended the order at its approve, a removal may still be
// due. Otherwise only the record is.
func (e *Engine) finished(ctx context.Context, job *Job, w *Work, o *outcome) error {
	a := w.Action
	switch a.Kind {
	case planner.Archive:
		return e.archive(ctx, job, w, o)
	case planner.RejectOrder, planner.FailOrder:
		return nil
	}
	o.steps = []string{"found done"}
	seen := e.Storage.Look(a.System, a.Storage)
	if same := a.Inode == 0 || a.Inode == seen.Inode; same && asWanted(a, seen) {
		e.keepRecord(w, o, seen)
	}
	return nil
}

// parentsOf returns an error if a parent directory could not be made. It names the topmost such
// directory and the reason.
func (e *Engine) parentsOf(a *planner.Action) error {
	for i, c := range a.Storage {
		if c != '/' {
			continue
		}
		path := a.Storage[:i]
		if err := e.parents[path]; err != nil {
			return fmt.Errorf("create %s: the directory above, %s, could not be created: %w", a.Storage,
				path, err)
		}
	}
	return nil
}
