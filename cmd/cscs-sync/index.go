package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/state"
)

const (
	// indexChunk is how many items share one value of the index.
	indexChunk = 500
	// indexAge is how many audits old an index may be.
	indexAge = 3
	// shrunkShare, and shrunkLeast resources or half of all, are from when on a listing that lacks recorded resources is
	// not believed.
	shrunkShare = 0.1
	shrunkLeast = 3
)

// index is the last complete listing and when it was made; a zero time if there is none. One that another version wrote in
// another form is none: the next audit makes one.
func (s *session) index() (at time.Time, items []planner.Item, err error) {
	var chunks []json.RawMessage
	err = s.store.View(func(tx *state.Tx) (err error) {
		at, chunks, err = tx.Index()
		return err
	})
	for _, c := range chunks {
		var some []planner.Item
		if err := json.Unmarshal(c, &some); err != nil {
			s.log.Warn("the last complete listing is not used: it cannot be read; the next audit makes another", "error", err.Error())
			return time.Time{}, nil, nil
		}
		items = append(items, some...)
	}
	return at, items, err
}

// index is that of the session, read once in a round: planning and applying both need it.
func (r *round) index() (time.Time, []planner.Item, error) {
	if r.read {
		return r.indexAt, r.indexItems, nil
	}
	var err error
	r.indexAt, r.indexItems, err = r.s.index()
	r.read = err == nil
	return r.indexAt, r.indexItems, err
}

// indexed completes a partial listing by the items of the last complete one, so that a conflict with them is still seen. An
// index that is too old is not used: then only what is recorded counts. What was archived since is not there any more.
//
// Where a tenant's or a customer's directory is, the proxy takes from the first resource that it lists, so a partial
// listing may have it elsewhere: the complete one is believed.
func (r *round) indexed(listed []planner.Item) ([]planner.Item, error) {
	if !anyOrder(listed) {
		return listed, nil // nothing to plan for
	}
	at, items, err := r.index()
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		return listed, nil
	}
	if age := r.s.now().Sub(at); age > indexAge*r.s.cfg.Run.AuditInterval {
		r.log.Warn("the last complete listing is too old to be planned against; what is recorded still counts", "listed", at)
		return listed, nil
	}
	known := keysOfItems(items)
	all := slices.DeleteFunc(slices.Clone(listed), func(it planner.Item) bool { return it.Target.IsNode() && known[it.Key] })
	have := keysOfItems(all)
	for i := range items {
		if !have[items[i].Key] && !r.archived[items[i].Key] {
			all = append(all, items[i])
		}
	}
	return all, nil
}

func keysOfItems(items []planner.Item) map[planner.Key]bool {
	keys := make(map[planner.Key]bool, len(items))
	for i := range items {
		keys[items[i].Key] = true
	}
	return keys
}

// shrunk tells a listing that suddenly lacks much of what is recorded: of what the listing before still had, if there was
// one. Who accepts it makes it the one to be compared with.
func (r *round) shrunk(p *planned) (lacks string, err error) {
	at, before, err := r.s.index()
	if err != nil {
		return "", err
	}
	had, has := keysOfItems(before), keysOfItems(p.items)
	recorded, lacking := 0, 0
	for rec := range p.recorded.Records.All() {
		if rec.Target.IsNode() {
			continue
		}
		recorded++
		if !has[rec.Key] && (at.IsZero() || had[rec.Key]) {
			lacking++
		}
	}
	if float64(lacking) <= shrunkShare*float64(recorded) || lacking < shrunkLeast && 2*lacking < recorded {
		return "", nil
	}
	return fmt.Sprintf("the listing lacks %d of %d recorded resources: nothing is done until somebody looks; %s"+
		"if that is right, run `cscs-sync run --once --accept-shrunk`", lacking, recorded, renamedHint(p.plan)), nil
}

// renamedHint is what may have happened where resources turn up on a system that nobody has heard of.
func renamedHint(p *planner.Plan) string {
	for _, b := range p.Context.Blocked {
		if slices.ContainsFunc(b.Reasons, func(r planner.Reason) bool { return r.Code == "no_system" }) {
			return fmt.Sprintf("no system block answers to %s: if its offering was renamed, add the new slug to the slugs of its system and "+
				"reload; ", planfile.Quote(b.Key.System))
		}
	}
	return ""
}

// remember writes down what an audit found as wanted, and the index that the orders lane plans against.
func (r *round) remember(p *planned, accepted string) error {
	if r.o.dryRun {
		return nil
	}
	var chunks []json.RawMessage
	for items := range slices.Chunk(p.items, indexChunk) {
		b, err := json.Marshal(items)
		if err != nil {
			return fmt.Errorf("make the index: %w", err)
		}
		chunks = append(chunks, b)
	}
	return r.s.store.Update(func(tx *state.Tx) error {
		if err := r.s.follow(tx, p); err != nil {
			return err
		}
		for _, rec := range p.graph.AsWanted() {
			if old, ok := p.recorded.Records.Of(rec.Key); ok && old.Inode != 0 && (old.Born != 0 || rec.Born == 0) {
				continue // one that lacks them was recorded before they were known
			}
			rec.At = tx.Now()
			if err := tx.PutRecord(rec); err != nil {
				return err
			}
		}
		if accepted != "" {
			if _, err := tx.AppendHistory(state.Entry{Who: r.s.user, Host: r.s.host, Event: eventShrunk, Text: accepted}); err != nil {
				return err
			}
		}
		return tx.SetIndex(r.listed, chunks)
	})
}
