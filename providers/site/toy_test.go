package site_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// toyTraits are the traits in a system's configuration, by the kind of its quota block.
var toyTraits = map[string]planner.Traits{
	"stays":   {Unit: 512, NeedsDirectory: true, MaxSpace: 1 << 50, MaxInodes: 1 << 32},
	"follows": {Unit: 512, NeedsDirectory: true, MaxSpace: 1 << 50, MaxInodes: 1 << 32, FollowsRename: true, Async: true},
}

// toy is a quota backend with one file. The file has limits by path or, if they follow a rename, by
// inode. The toy has no soft limits, and measures nothing.
type toy struct {
	root, file string
	traits     planner.Traits
}

// kept is a quota of the toy and its number.
type kept struct {
	Number int
	Limits planner.Limits
}

func openToy(s planner.System, o quota.Options) (quota.Client, error) {
	return toy{o.Root, filepath.Join(o.Root, "toy.json"), s.Traits}, nil
}

func (t toy) Traits(context.Context) (planner.Traits, error) { return t.traits, nil }

// key returns the key of a directory's limits. A directory that does not exist has none that could
// follow it.
func (t toy) key(id planner.Subject) string {
	if !t.traits.FollowsRename {
		return id.Path
	}
	info, err := os.Stat(filepath.Join(t.root, id.Path))
	if err != nil {
		return "nothing"
	}
	return strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10)
}

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

func toySource(handle string) *planner.QuotaSource {
	return &planner.QuotaSource{Via: "toy", Handle: handle}
}

func (t toy) Get(_ context.Context, id planner.Subject) planner.QuotaState {
	q, ok := t.read()[t.key(id)]
	if !ok {
		return planner.QuotaState{Absent: true, Source: toySource(""), Limits: planner.NoLimits(),
			Space: planner.UsageOf(planner.Bytes(0)), Inodes: planner.UsageOf(planner.Inodes(0))}
	}
	return planner.QuotaState{Source: toySource(strconv.Itoa(q.Number)), Limits: q.Limits,
		Space: planner.UsageOf(planner.Bytes(1 << 12)), Inodes: planner.UsageOf(planner.Inodes(1))}
}

func (t toy) List(context.Context, []planner.Subject) (providers.QuotaListing, error) {
	return providers.QuotaListing{}, providers.ErrNoList
}

func (t toy) Set(_ context.Context, id planner.Subject, want planner.Limits,
	_ planner.Grace) (quota.Pending, error) {
	if _, err := quota.CheckLimits(t.traits, id.Path, want); err != nil {
		return nil, err
	}
	all := t.read()
	q, ok := all[t.key(id)]
	if !ok {
		q.Number = len(all) + 1
	}
	all[t.key(id)] = kept{q.Number, want}
	if !t.traits.Async {
		return nil, t.write(all)
	}
	return func(context.Context) (bool, error) { return true, t.write(all) }, nil
}

func (t toy) Remove(_ context.Context, id planner.Subject) (quota.Pending, error) {
	all := t.read()
	delete(all, t.key(id))
	return nil, t.write(all)
}
