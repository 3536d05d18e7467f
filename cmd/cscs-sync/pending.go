package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/state"
)

// pendingFolder is where held plans wait for people.
func (s *session) pendingFolder() string { return filepath.Join(s.store.Dir(), "pending") }

// hold writes one plan file for each held group, and takes away those that are no longer planned. A file whose id is
// unchanged is left as it is, with the approvals that it has. Only an audit sees everything, so only an audit takes away.
func (r *round) hold(p *planner.Plan, groups []policy.Group) error {
	dir := r.s.pendingFolder()
	if len(groups) > 0 {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("held plans: %w", err)
		}
	}
	current := map[string]bool{}
	for _, g := range groups {
		part := policy.Only(p, g)
		name := planfile.ShortID(planfile.ID(part.Core)) + ".plan"
		current[name] = true
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		data, err := planfile.Marshal(part, planfile.Options{Color: r.s.color == "always"})
		if err != nil {
			return fmt.Errorf("held plan %s: %w", path, err)
		}
		if err := state.WriteFile(path, data, fs.FileMode(0o600), onlyPlans); err != nil {
			return fmt.Errorf("held plan %s: %w", path, err)
		}
		r.log.Info("held", "plan", path, "actions", len(g.Actions), "because", strings.Join(g.Rules, "; "))
	}
	if r.lane == laneAudit {
		return r.takeAway(dir, current)
	}
	return nil
}

// takeAway removes held plans that would not be made now.
func (r *round) takeAway(dir string, current map[string]bool) error {
	names, err := pendingPlans(dir)
	for _, name := range names {
		if current[name] {
			continue
		}
		if err := removeHeld(filepath.Join(dir, name)); err != nil {
			return err
		}
		r.log.Info("no longer held", "plan", filepath.Join(dir, name))
	}
	return err
}

func pendingPlans(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".plan") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// applyPending applies held plans that people have approved by now.
func (r *round) applyPending(ctx context.Context) error {
	if r.o.dryRun {
		return nil
	}
	dir := r.s.pendingFolder()
	names, err := pendingPlans(dir)
	if err != nil {
		return fmt.Errorf("held plans: %w", err)
	}
	var errs []error
	for _, name := range names {
		if stoppedNow(r.s.stop) {
			break
		}
		if err := r.applyHeld(ctx, filepath.Join(dir, name)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// applyHeld applies one held plan if it is approved, and removes its file when it is over.
func (r *round) applyHeld(ctx context.Context, path string) error {
	file, err := r.s.readPlan(path)
	if err != nil {
		return err
	}
	if len(file.Approvals) == 0 || file.Check() != nil {
		return nil
	}
	p := &approved{plan: file.Plan, id: planfile.ID(file.Plan.Core), path: path, blocks: file.Approvals}
	begun, _, err := r.s.ledger(p)
	if err == nil {
		_, err = r.s.judge(p, begun)
	}
	var o *outcome
	if errors.As(err, &o) && o.code == exitRefused {
		r.log.Info("held plan is not ready", "plan", path, "because", err.Error())
		return nil
	}
	if err == nil {
		err = r.applyAs(ctx, p)
	}
	if code := exitCode(err); code == exitDone || code == exitPartial || code == exitRefused {
		if err := removeHeld(path); err != nil {
			return err
		}
	}
	return err
}

// removeHeld removes a held plan, and the marker that people were told of it.
func removeHeld(path string) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("held plan: %w", err)
	}
	if err := os.Remove(strings.TrimSuffix(path, ".plan") + ".told"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("held plan: %w", err)
	}
	return nil
}

// policyApproval approves in the policy's name.
func (s *session) policyApproval(m approval.Message) (approval.Approval, error) {
	raw, err := s.store.ApprovalKey()
	if err != nil {
		return approval.Approval{}, err
	}
	key, err := approval.NewLocalKey(raw)
	if err != nil {
		return approval.Approval{}, err
	}
	return approval.Policy(m, s.cfg.AutoApprove.Digest(), s.user, key)
}

// account remembers how a resource fared: what failed is tried again later and later, and from the third time on once an
// hour, until it works.
func (r *round) account(res apply.Result) {
	key := res.Action.Key
	switch res.Status {
	case apply.Done:
		r.applied++
		delete(r.failures, key)
		r.repeat(res.Action)
		return
	case apply.NotBegun:
		return
	}
	r.failed++
	f := failure{count: r.failures[key].count + 1}
	wait := r.interval() << min(f.count, 6)
	if f.count >= quarantine {
		wait = time.Hour
	}
	f.until = r.s.now().Add(wait)
	r.failures[key] = f
	why := "skipped"
	if res.Err != nil {
		why = res.Err.Error()
	}
	r.log.Warn("resource", "address", res.Action.Address, "status", res.Status, "failures", f.count, "quarantined", f.count >= quarantine, "error", why)
}

// redeliver sends what waits in the outbox and is due. While Waldur refuses the token nothing is sent: that is logged
// once, and tried again later and later.
func (r *round) redeliver(ctx context.Context) error {
	if r.o.dryRun || r.s.cfg.Waldur == nil || r.s.now().Before(r.refused.until) {
		return nil
	}
	if due, err := r.s.due(nil); err != nil || len(due) == 0 {
		return err
	}
	lock, err := state.AcquireLock(ctx, r.s.store.Dir(), state.Holder{Who: r.s.user, Host: r.s.host, PID: os.Getpid(), Since: r.s.now()}, 0)
	if err != nil {
		return err
	}
	engine := &apply.Engine{Orders: r.s.orders(), Journal: r.s.store, Now: r.s.now, Sleep: waldur.Sleep, Host: r.s.host, Who: r.s.user}
	_, err = engine.Redeliver(ctx, func() ([]state.Delivery, error) { return r.s.due(nil) })
	if errors.Is(err, apply.ErrPaused) {
		r.refused.count++
		r.refused.until = r.s.now().Add(min(time.Minute<<min(r.refused.count, 6), time.Hour))
	} else {
		r.refused = failure{}
	}
	return errors.Join(err, lock.Release())
}

// settledAfter is how often in a row the same change of a resource is believed to be the last.
const settledAfter = 3

// repeat remembers what was done with a resource.
func (r *round) repeat(a *planner.Action) {
	now, text := r.s.now(), fmt.Sprint(a.Changes)
	was := r.did[a.Key]
	if was.action != text || len(a.Changes) == 0 {
		was = repeated{action: text}
	}
	was.count, was.last = was.count+1, now
	r.did[a.Key] = was
	for key, d := range r.did {
		if now.Sub(d.last) > 2*r.s.cfg.Run.AuditInterval {
			delete(r.did, key)
		}
	}
}

// again tells that just this change has been made several times lately, and did not last.
func (r *round) again(a *planner.Action) bool {
	d := r.did[a.Key]
	if len(a.Changes) == 0 || d.count < settledAfter || d.action != fmt.Sprint(a.Changes) {
		return false
	}
	r.unsettled++
	r.log.Warn("resource", "address", a.Address, "error", "it does not stay as it is made", "times", d.count)
	return true
}
