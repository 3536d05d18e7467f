package loop

import (
	"errors"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/near"
)

// part reads what a plan for the listed and the watched resources depends on: of the last complete
// listing, and of the records. It returns nil if everything has to be read: see [near.Allows], and
// if nothing recent says where things are. An order on a large site takes milliseconds so, and not
// seconds.
func (r *round) part(tx ledger.Tx, listed []planner.Item,
	watch map[planner.Key]bool) (*engine.Part, error) {
	e := r.loop.cfg.Engine
	at, written := tx.IndexAt()
	if at.IsZero() || r.loop.isOld(at) || !near.Allows(e.Settings, e.Overrides) {
		return nil, nil
	}
	site, err := readSite(tx, e.Settings)
	if site == nil || err != nil {
		return nil, err
	}
	site.Listed, site.Watch = listed, watch
	found, err := near.Find(*site)
	switch {
	case errors.Is(err, near.ErrLarge), errors.Is(err, index.ErrForm):
		return nil, nil // reading everything says what is wrong, if anything is
	case err != nil:
		return nil, err
	}
	part := &engine.Part{IDs: found.IDs}
	if part.Recorded, err = tx.Waiting(); err != nil {
		return nil, err
	}
	part.Recorded.Records, part.Recorded.Archived = found.Records, site.Archived
	part.Items = completed(found.Listed, found.Indexed, func(it *planner.Item) bool {
		return r.stillCounts(written, it, &part.Recorded)
	})
	return part, nil
}

// readSite opens the last complete listing and reads what is small: the archive register, and the
// records that do not go with their items or were written since. It returns nil if the state cannot
// say which records these are.
func readSite(tx ledger.Tx, s *planner.Settings) (*near.Site, error) {
	x, err := index.Open(s, tx.IndexChunk)
	if errors.Is(err, index.ErrForm) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	loose, few := x.Loose()
	since, known, err := tx.WrittenSince()
	if !few || !known || err != nil {
		return nil, err
	}
	site := &near.Site{Settings: s, Items: x, RecordsOf: tx.RecordsOf}
	if site.Archived, err = tx.Archived(); err != nil {
		return nil, err
	}
	keys := slices.Concat(loose, since)
	slices.SortFunc(keys, planner.Key.Compare)
	for _, k := range slices.Compact(keys) {
		rec, recorded, err := tx.Record(k)
		if err != nil {
			return nil, err
		}
		if recorded {
			site.Loose = append(site.Loose, rec)
		}
	}
	return site, nil
}
