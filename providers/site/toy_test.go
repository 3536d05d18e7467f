package site_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// toyTraits are what a system's configuration says of the toy.
var toyTraits = planner.Traits{Unit: 512, NeedsDirectory: true, MaxSpace: 1 << 50, MaxInodes: 1 << 32}

// toy is a quota backend: a file that holds limits by directory. It has no soft limits and measures nothing.
type toy struct{ file string }

// kept is a quota of the toy, with its number.
type kept struct {
	Number int
	Limits planner.Limits
}

func openToy(_ planner.System, o quota.Options) (quota.Client, error) {
	return toy{filepath.Join(o.Root, "toy.json")}, nil
}

func (t toy) Traits(context.Context) (planner.Traits, error) { return toyTraits, nil }

func (t toy) read() (all map[string]kept) {
	text, _ := os.ReadFile(t.file)
	all = map[string]kept{}
	_ = json.Unmarshal(text, &all)
	return all
}

func (t toy) write(all map[string]kept) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(t.file, text, 0o600)
}

func (t toy) Get(_ context.Context, id planner.Subject) planner.QuotaState {
	q, ok := t.read()[id.Path]
	if !ok {
		return planner.QuotaState{Absent: true, Via: "toy", Limits: planner.NoLimits(),
			Space: planner.Usage[planner.Bytes]{Known: true}, Inodes: planner.Usage[planner.Inodes]{Known: true}}
	}
	return planner.QuotaState{Handle: strconv.Itoa(q.Number), Via: "toy", Limits: q.Limits,
		Space: planner.Usage[planner.Bytes]{N: 1 << 12, Known: true}, Inodes: planner.Usage[planner.Inodes]{N: 1, Known: true}}
}

func (t toy) List(context.Context, []planner.Subject) (providers.QuotaListing, error) {
	return providers.QuotaListing{}, providers.ErrNoList
}

func (t toy) Set(_ context.Context, id planner.Subject, want planner.Limits, _ planner.Grace) (quota.Pending, error) {
	if _, err := quota.CheckLimits(toyTraits, id.Path, want); err != nil {
		return nil, err
	}
	all := t.read()
	q, ok := all[id.Path]
	if !ok {
		q.Number = len(all) + 1
	}
	q.Limits, all[id.Path] = want, kept{q.Number, want}
	return nil, t.write(all)
}

func (t toy) Remove(_ context.Context, id planner.Subject) (quota.Pending, error) {
	all := t.read()
	delete(all, id.Path)
	return nil, t.write(all)
}
