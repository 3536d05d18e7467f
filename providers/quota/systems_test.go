package quota

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// slow is a backend whose changes are done after some time.
type slow struct {
	Client
	takes time.Duration
	asked int
}

func (s *slow) pending() Pending {
	due := time.Now().Add(s.takes)
	return func(context.Context) (bool, error) {
		s.asked++
		return !time.Now().Before(due), nil
	}
}

func (s *slow) Set(context.Context, planner.Subject, planner.Limits, planner.Grace) (Pending,
	error) {
	return s.pending(), nil
}

func (s *slow) Remove(context.Context, planner.Subject) (Pending, error) { return s.pending(), nil }

// TestPatience: Set waits for a change on which the backend works. If it never ends, Set gives up
// after ten minutes, or when its context ends. Such a change never counts as done.
func TestPatience(t *testing.T) {
	for name, c := range map[string]struct {
		takes, canceled, waited time.Duration
		want                    string
	}{
		"done at once": {},
		"done later":   {takes: 90 * time.Second, waited: 90 * time.Second},
		"never done": {takes: 24 * time.Hour, waited: 10 * time.Minute,
			want: "still working on it after 10m0s: plan again"},
		"nobody waits": {takes: 24 * time.Hour, canceled: 5 * time.Second,
			waited: 5 * time.Second, want: "stopped"},
		"just in time": {takes: 10*time.Minute - time.Second,
			waited: 10*time.Minute - time.Second},
		"a second longer": {takes: 10*time.Minute + time.Second, waited: 10 * time.Minute,
			want: "plan again"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := &slow{takes: c.takes}
				system := planner.System{Name: "s", Quota: planner.QuotaSettings{Kind: "slow"}}
				systems, err := OpenSystems([]planner.System{system},
					map[string]Open{"slow": func(planner.System, Options) (Client,
						error) {
						return backend, nil
					}}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, change := range []func(context.Context) error{
					func(ctx context.Context) error {
						return systems.Set(ctx, system, planner.Subject{}, planner.NoLimits(),
							planner.Grace{})
					},
					func(ctx context.Context) error {
						return systems.Remove(ctx, system, planner.Subject{})
					},
				} {
					ctx, cancel := context.WithCancelCause(t.Context())
					if c.canceled > 0 {
						time.AfterFunc(c.canceled, func() { cancel(errors.New("stopped")) })
					}
					start := time.Now()
					err := change(ctx)
					cancel(nil)
					if (err == nil) != (c.want == "") || err != nil &&
						!strings.Contains(err.Error(), c.want) {
						t.Errorf("%v, want %q", err, c.want)
					}
					if waited := time.Since(start); waited != c.waited {
						t.Errorf("waited %s, want %s", waited, c.waited)
					}
				}
				if most := 2 * int(c.waited/time.Second+1); backend.asked > most {
					t.Errorf("asked %d times", backend.asked)
				}
			})
		})
	}
}

// hung is a backend whose reads never return.
type hung struct {
	Client
	release chan struct{}
}

func (h *hung) Get(context.Context, planner.Subject) planner.QuotaState {
	<-h.release
	return planner.QuotaState{Source: &planner.QuotaSource{Via: "hung"}}
}

// TestAskReturns: a read that hangs is unknown after the timeout, and its late answer is not used.
// When too many reads hang, no other is made.
func TestAskReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &hung{release: make(chan struct{})}
		system := planner.System{Name: "s", Quota: planner.QuotaSettings{Kind: "hung"}}
		systems, err := OpenSystems([]planner.System{system}, map[string]Open{
			"hung": func(planner.System, Options) (Client, error) { return backend, nil }},
			Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			start := time.Now()
			q := systems.Ask(t.Context(), system, planner.Subject{})
			if q.Limits.Known() || !strings.Contains(q.LimitsWhy(), "no answer in time") {
				t.Errorf("got %+v", q)
			}
			if took := time.Since(start); i < 8 && took != 2*time.Second || i >= 8 && took != 0 {
				t.Errorf("read %d took %s", i, took)
			}
		}
		close(backend.release)
		synctest.Wait()
		if q := systems.Ask(t.Context(), system, planner.Subject{}); q.Via() != "hung" {
			t.Errorf("afterwards: %+v", q)
		}
		other := planner.System{Name: "other"}
		if q := systems.Ask(t.Context(), other, planner.Subject{}); !strings.Contains(q.LimitsWhy(),
			"has no quotas") {
			t.Errorf("a system without quotas: %+v", q)
		}
	})
}
