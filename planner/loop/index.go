package loop

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

const (
	// indexAge is how many audit intervals old an index may be.
	indexAge = 3
	// A listing is not believed if it lacks more than shrunkShare of the recorded resources, and at
	// least shrunkLeast resources or half of all.
	shrunkShare = 0.1
	shrunkLeast = 3
)

// Index is the last complete listing, kept for the orders lane.
type Index struct {
	// At is when the listing began; the zero time if there is none.
	At time.Time
	// written is what [state.Tx.Written] was then. A record with a greater number is newer than the
	// listing.
	written uint64
	Items   []planner.Item
}

// ReadIndex reads the index. An index that another version wrote in another form is treated as
// missing; the next audit makes one.
func ReadIndex(store ledger.Store, log *slog.Logger) (last Index, err error) {
	var chunks []json.RawMessage
	err = store.View(func(tx ledger.Tx) (err error) {
		last.At, last.written, chunks, err = tx.Index()
		return err
	})
	if err != nil {
		return last, err
	}
	if last.Items, err = index.Items(chunks); err != nil {
		log.Warn("the last complete listing cannot be read, so it is not used; the next audit "+
			"makes another", "error", err.Error())
		return Index{}, nil
	}
	return last, nil
}

// index returns the index of the state. It is read once in a round, because planning and applying
// both need it.
func (r *round) index() (Index, error) {
	if r.last != nil {
		return *r.last, nil
	}
	last, err := ReadIndex(r.loop.cfg.Engine.Store, r.loop.log)
	if err == nil {
		r.last = &last
	}
	return last, err
}

// isOld reports whether the index is too old to plan against, or has a time in the future. In that
// case the clock was set back, and nobody knows how old the index is.
func (l *Loop) isOld(at time.Time) bool {
	now := l.now()
	return now.Sub(at) > indexAge*l.cfg.AuditInterval || isAhead(now, at)
}

// indexed completes a partial listing with the items of the last complete one, so that conflicts
// with them and their part in a shared quota are still seen. An index that is too old is not used;
// only the records count then.
//
// The proxy takes the place of a tenant's or customer's directory from the first resource that it
// lists, so a partial listing may have another place. The complete listing is believed.
func (r *round) indexed(listed []planner.Item, recorded *planner.Recorded) ([]planner.Item, error) {
	if !engine.AnyOrder(listed) {
		return listed, nil // nothing to plan for
	}
	last, err := r.index()
	if err != nil || last.At.IsZero() {
		return listed, err
	}
	if r.loop.isOld(last.At) {
		if !r.loop.toldOld.Equal(last.At) {
			r.loop.log.Warn("the last complete listing is too old to plan against; the records still "+
				"count", "listed", last.At)
			r.loop.toldOld = last.At
		}
		return listed, nil
	}
	return completed(listed, last.Items, func(it *planner.Item) bool {
		return r.stillCounts(last.written, it, recorded)
	}), nil
}

// completed returns a partial listing with those items of the last complete one, whole, that still
// count and that it lacks. Tenants and customers that both have are as in the complete one. counts
// may change the item that it gets.
func completed(listed, whole []planner.Item, counts func(*planner.Item) bool) []planner.Item {
	isResource := make(map[planner.Key]bool, len(listed))
	for i := range listed {
		it := &listed[i]
		isResource[it.Key] = isResource[it.Key] || !it.Target.IsBranch()
	}
	known := map[planner.Key]bool{} // listed keys that the complete listing has
	rest := make([]planner.Item, 0, len(listed)+len(whole))
	for i := range whole {
		listedAs, isListed := isResource[whole[i].Key]
		if isListed {
			known[whole[i].Key] = true
		}
		if listedAs {
			continue
		}
		rest = append(rest, whole[i])
		if !counts(&rest[len(rest)-1]) {
			rest = rest[:len(rest)-1]
		}
	}
	for i := range listed {
		if it := &listed[i]; !it.Target.IsBranch() || !known[it.Key] {
			rest = append(rest, *it)
		}
	}
	return rest
}

// stillCounts reports whether an item of the index counts beside a newer listing that lacks it, and
// updates the item to what is known now. What was applied or archived since the index was made
// replaces what the index says; the record counts then. written is what [state.Tx.Written] was when
// the index's listing began. If the newer listing has every open order,
// an item whose order it lacks has no order any more: the record counts, and a create without a
// record is ignored. The limits of any other item are unknown until the next audit.
func (r *round) stillCounts(written uint64, it *planner.Item, recorded *planner.Recorded) bool {
	if it.Target.IsBranch() {
		return true
	}
	rec, isRecorded := recorded.Records.Of(it.Key)
	if rec.Seq > written || recorded.Archived[it.Key].Seq > written {
		return false
	}
	if !slices.Contains(orderStatuses, it.Status) || r.orders == nil || r.orders.problem() != nil {
		return true
	}
	if it.Status == planner.StatusError && !engine.AnyOrder([]planner.Item{*it}) {
		return true
	}
	if isRecorded || it.Status == planner.StatusPending {
		return false
	}
	it.Status, it.Quotas, it.NewQuotas, it.URLs = planner.StatusActive, nil, nil, nil
	return true
}

// shrunk returns what a listing lacks if it suddenly lacks many of the recorded resources. If there
// was a listing before, only resources that it still had count. A person who accepts the listing
// makes it the one to compare with.
func (r *round) shrunk(p *engine.Planned) (lacks string, err error) {
	before, err := ReadIndex(r.loop.cfg.Engine.Store, r.loop.log)
	if err != nil {
		return "", err
	}
	had, has := planner.KeysOf(before.Items), planner.KeysOf(p.Items)
	recorded, lacking := 0, 0
	for rec := range p.Recorded.Records.All() {
		if rec.Target.IsBranch() {
			continue
		}
		recorded++
		if !has[rec.Key] && (before.At.IsZero() || had[rec.Key]) {
			lacking++
		}
	}
	if float64(lacking) <= shrunkShare*float64(recorded) || lacking < shrunkLeast &&
		2*lacking < recorded {
		return "", nil
	}
	return fmt.Sprintf("the listing lacks %d of %d recorded resources, so the loop does nothing "+
		"until a person looks; %sif that is right, run `cscs-sync run --once --accept-shrunk`",
		lacking, recorded,
		renamedHint(p.Plan)), nil
}

// renamedHint says what may have happened if there are resources on a system that no block matches.
func renamedHint(p *planner.Plan) string {
	for _, b := range p.Context.Blocked {
		if slices.ContainsFunc(b.Reasons,
			func(r planner.Reason) bool { return r.Code == codes.NoSystem }) {
			return fmt.Sprintf("no system block matches %s: if its offering was renamed, add the new "+
				"slug to the slugs of its system and reload; ", render.Quote(b.Key.System))
		}
	}
	return ""
}

// remember records what an audit found as wanted, and the index that the orders lane plans against.
func (r *round) remember(p *engine.Planned, accepted string) error {
	if r.loop.Options.DryRun {
		return nil
	}
	chunks := index.Make(r.loop.cfg.Engine.Settings, p.Items, p.Graph.Loose())
	return r.loop.cfg.Engine.Remember(p, func(tx ledger.Tx) error {
		if accepted != "" {
			if _, err := tx.AppendHistory(ledger.Entry{Who: r.loop.cfg.Engine.Who,
				Host: r.loop.cfg.Engine.Host, Event: ledger.EventShrunk,
				Text: accepted}); err != nil {
				return err
			}
		}
		return tx.SetIndex(r.loop.listed, r.written, chunks)
	})
}
