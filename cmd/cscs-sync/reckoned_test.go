package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// reckoned is a storm that only does what an oracle can follow. Whenever it is quiet, each quota and each directory must be
// what the oracle computes.
type reckoned struct {
	*storm
	*oracle
	// going is a loop that goes on from event to event.
	going *runningLoop
	// jumped is by how much the clock is wrong.
	jumped time.Duration
	// small says that the state has a filesystem of its own, restored that an older state was put back.
	small, restored bool
	// recorded are the inodes that stood at their places when it was last quiet.
	recorded map[string]uint64
}

// reckonedPolicy has a loop do what is routine; people approve the rest.
const reckonedPolicy = `auto_approve {
  allow = ["create", "quota_raise", "quota_lower", "report", "archive"]
  max_archives = 3
}
`

// reckon is one storm of a seed.
func reckon(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	shared := []string{"sum", "max"}[seed%2]
	s := &storm{service: newService(t, reckonedPolicy), rnd: rnd, byHand: map[string]bool{}, moved: map[string][]string{}}
	s.edit("client = \"lfs\"", fmt.Sprintf("client = \"lfs\"\n    shared = %q", shared))
	r := &reckoned{storm: s, oracle: newOracle(shared), recorded: map[string]uint64{}}
	only := os.Getenv("CSCS_TEST_TROUBLE")
	var with []trouble
	for _, x := range troubles {
		if only == "" && rnd.IntN(3) == 0 || only != "" && strings.Contains(x.name, only) {
			with = append(with, x)
			s.say("with %s", x.name)
		}
	}
	r.smallState()
	for range 4 {
		r.blow(20, with)
		r.quiet()
		if t.Failed() {
			break
		}
	}
	t.Logf("shared = %q; it went so:\n%s", shared, strings.Join(s.said, "\n"))
}

// blow lets n things happen.
func (s *reckoned) blow(n int, with []trouble) {
	for range n {
		s.passed += time.Duration(1+s.rnd.IntN(600)) * time.Second
		switch k := s.rnd.IntN(10); {
		case k < 5:
			s.customer()
		case k < 6 && len(with) > 0:
			one(s.storm, with...).do(s)
		default:
			s.administrator()
			s.faults(s.sees(s.dir, s.sim.State()))
		}
		if s.t.Failed() {
			return
		}
	}
}

// customer orders something, if the resource has no open order: Waldur takes one at a time.
func (s *reckoned) customer() {
	r, known := s.resource()
	if !known || s.rnd.IntN(3) == 0 {
		s.newResource()
		return
	}
	if s.follow(r).fate != standing || r.State != waldursim.OK {
		s.consent(r)
		return
	}
	state := one(s.storm, waldursim.PendingProvider, waldursim.PendingProvider, waldursim.Executing, waldursim.PendingConsumer)
	if s.rnd.IntN(4) == 0 {
		_, err := s.sim.TerminateResource(r.Slug, state)
		s.say("terminate %s, %s: %v", r.Slug, state, err)
		return
	}
	limits := map[string]any{"storage": 1 + s.rnd.IntN(9)}
	_, err := s.sim.UpdateResource(r.Slug, waldursim.UpdateSpec{Limits: limits, State: state})
	s.say("order %s: %v, %s: %v", r.Slug, limits, state, err)
}

// consent has a customer approve the order that waits for that.
func (s *reckoned) consent(r waldursim.ResourceView) {
	if len(r.Orders) == 0 {
		return
	}
	if o := r.Orders[len(r.Orders)-1]; o.State == waldursim.PendingConsumer {
		_, err := s.sim.SetOrderState(o.UUID, waldursim.PendingProvider)
		s.say("%s: its customer approves the %s order: %v", r.Slug, o.Type, err)
	}
}

// newResource orders a directory at a path that no other resource has or may still have. Its group has others.
func (s *reckoned) newResource() {
	project, kind := s.rnd.IntN(4), one(s.storm, "store", "archive", "users")
	path := fmt.Sprintf("/capstor/%s/cscs/eth/p%d", kind, project)
	for _, r := range s.sim.State() {
		if r.Path == path && s.follow(r).fate != archived {
			return
		}
	}
	s.made++
	spec := waldursim.ResourceSpec{
		Slug: fmt.Sprint("r", s.made), Offering: "capstor", Customer: "eth", Project: fmt.Sprint("p", project), DataType: kind,
		GID: 30600 + int64(project), Limits: map[string]any{"storage": 1 + s.rnd.IntN(9)},
		Permissions: one(s.storm, "2770", "2750", "2775"),
	}
	if s.rnd.IntN(6) > 0 {
		spec.Order = &waldursim.OrderSpec{State: one(s.storm, waldursim.PendingProvider, waldursim.PendingProvider, waldursim.PendingConsumer, waldursim.Executing)}
	}
	_, err := s.sim.AddResource(spec)
	s.check(err)
	s.specs[spec.Slug] = spec
	s.say("new %s: %s gid %d, %v, mode %s, order %+v", spec.Slug, path, spec.GID, spec.Limits, spec.Permissions, spec.Order)
}

// administrator does one of the things that people and the loop do.
func (s *reckoned) administrator() {
	switch s.rnd.IntN(8) {
	case 0, 1:
		s.plan("plan")
	case 2:
		s.apply()
	case 3:
		s.kill()
	case 4:
		s.approveHeld()
	case 5:
		if r, known := s.resource(); known {
			s.plan("plan", "--target", r.Path)
		}
	case 6:
		s.does("run", "--once")
	default:
		s.ordersRound()
	}
}

// approveHeld approves each plan that the loop holds, and lets it run.
func (s *reckoned) approveHeld() {
	for _, held := range s.pending() {
		rel, _ := filepath.Rel(s.dir, held)
		s.does("approve", rel)
	}
	s.does("run", "--once")
}

// quiet ends all troubles and lets the site come to rest; then the oracle speaks.
func (s *reckoned) quiet() {
	s.sim.ClearFaults()
	s.clockBack()
	if s.restored {
		s.does("archive", "rescan")
	}
	for i := range 8 {
		s.passed += 2 * time.Hour
		name := fmt.Sprintf("quiet%d.plan", len(s.said))
		s.does("callbacks", "retry")
		s.does("plan", "--out", name)
		s.does("approve", name)
		s.does("apply", name)
		if s.does("plan", "--detailed-exitcode") == exitDone {
			break
		}
		if i == 7 {
			s.t.Error("the site does not come to rest")
		}
	}
	s.faults(s.wrong(s.dir, s.sim.State()))
	clear(s.recorded)
	for _, r := range s.sim.State() {
		s.recorded[filepath.Join(s.dir, "mnt", r.Path)] = s.born[r.Slug]
	}
	s.say("quiet")
}

func (s *reckoned) faults(found []string) {
	for _, f := range found {
		s.t.Errorf("the oracle, after %d events: %s", len(s.said), f)
	}
}
