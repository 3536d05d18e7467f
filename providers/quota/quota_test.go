package quota

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

func traits() planner.Traits {
	return planner.Traits{Unit: 4096, MaxSpace: 1 << 60, MaxInodes: 1 << 48}
}

func limits(soft, hard planner.Bytes) planner.Limits {
	return planner.Limits{planner.SpaceSoft: planner.LimitOf(soft),
		planner.SpaceHard:  planner.LimitOf(hard),
		planner.InodesSoft: planner.LimitOf[planner.Inodes](1),
		planner.InodesHard: planner.Unlimited()}
}

func TestCheckCountsInUnits(t *testing.T) {
	got, err := Check(traits(), planner.ByGroup, 30500, limits(8192, 1<<60))
	if err != nil || got != (Limits{planner.SpaceSoft: 2, planner.SpaceHard: 1 << 48,
		planner.InodesSoft: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCheckRefuses(t *testing.T) {
	unknown := limits(4096, 8192)
	unknown[planner.InodesHard] = planner.Limit{}
	for want, c := range map[string]struct {
		by planner.QuotaBy
		id uint32
		q  planner.Limits
	}{
		"would become unlimited":          {planner.ByGroup, 1, unknown},
		"0 would be unlimited":            {planner.ByGroup, 1, limits(0, 8192)},
		"is not a multiple":               {planner.ByGroup, 1, limits(4096, 8193)},
		"above the largest allowed limit": {planner.ByGroup, 1, limits(4096, 1<<61)},
		"soft 8 KiB is above":             {planner.ByGroup, 1, limits(8192, 4096)},
		"id 0 is the default":             {planner.ByProject, 0, limits(4096, 8192)},
		"is above 2147483647":             {planner.ByProject, 1 << 31, limits(4096, 8192)},
		"want group or project":           {"user", 1, limits(4096, 8192)},
		"space_soft: a limit of 0":        {planner.ByGroup, 1, limits(0, 1)},
	} {
		_, err := Check(traits(), c.by, c.id, c.q)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// All problems are reported at once.
func TestCheckCollects(t *testing.T) {
	_, err := Check(traits(), planner.ByGroup, 0, limits(8192, 4096))
	for _, want := range []string{"id 0 is the default", "is above hard 4 KiB"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestLimitTooLargeIsUnknown(t *testing.T) {
	if Limit(1<<60, planner.Bytes(1024)).Known() {
		t.Error("an overflow is known")
	}
	if !Limit(0, planner.Bytes(1024)).IsUnlimited() {
		t.Error("0 is not unlimited")
	}
}

// TestKeepGoesByTraits: clocks are set again only if they are running and the backend does not keep
// them.
func TestKeepGoesByTraits(t *testing.T) {
	var before planner.QuotaState
	before.Limits = limits(4096, 8192)
	before.SetEnds(planner.Grace{Space: time.Unix(100, 0), Inodes: time.Unix(200, 0)})
	want := limits(4096, 16384)
	for _, c := range []struct {
		traits planner.Traits
		kept   bool
	}{{planner.Traits{Grace: true}, true}, {planner.Traits{Grace: true, KeepsClock: true},
		false}, {planner.Traits{}, false}} {
		if got := Keep(&c.traits, before, want); (got == before.Ends()) != c.kept || !c.kept &&
			got != (planner.Grace{}) {
			t.Errorf("%+v: %+v", c.traits, got)
		}
	}
	if got := Keep(&planner.Traits{Grace: true}, before, limits(8192,
		16384)); !got.Space.IsZero() || got.Inodes.IsZero() {
		t.Errorf("another soft limit for space: %+v", got)
	}
}
