package loop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// applyPending applies held plans that people have approved. A dry run only names them.
func (r *round) applyPending(ctx context.Context) error {
	ask := r.whole()
	return r.eachPlan(r.loop.pendingFolder(), func(path string) error {
		name := filepath.Base(path)
		err := r.applyHeld(ctx, path, ask)
		var busy *ledger.LockedError
		switch {
		case errors.As(err, &busy):
			return err
		case stoppedNow(r.loop.stop()), errors.Is(err, errLater):
		case err != nil:
			r.heldFailed(name, err)
		default:
			delete(r.loop.heldTries, name)
		}
		return nil
	})
}

// whole returns a request for everything, listed once for all plans of the round.
func (r *round) whole() *engine.Request {
	source, err := r.proxy()
	if err != nil {
		return nil // the apply meets the same error
	}
	return &engine.Request{Source: &cachedListing{Source: source, now: r.loop.now}}
}

// heldFailed schedules the next try of a held plan, with increasing delays, because each try costs
// the proxy a whole listing.
func (r *round) heldFailed(name string, err error) {
	f := r.loop.heldTries[name]
	f.count++
	f.until = r.loop.now().Add(backoff.Wait(2*r.loop.interval(), LongestBackoff, f.count))
	r.loop.heldTries[name] = f
	r.failed++
	r.asHeld = fmt.Errorf("held plan %s: %w", name, err)
	r.loop.log.Warn("held plan", "plan", name, "failures", f.count, "again",
		f.until.UTC().Format(time.RFC3339), "error", err.Error())
}

// applyHeld applies one held plan if it is approved, and removes its file when the plan is over.
func (r *round) applyHeld(ctx context.Context, path string, ask *engine.Request) error {
	p, by, begun, err := r.approvedHeld(path)
	if p == nil || err != nil {
		return err
	}
	if r.loop.Options.DryRun {
		r.leaveOpen(p.Plan)
		return r.showFirst("approved", path, p.Plan)
	}
	if waitsUntil(r.loop.now(), r.loop.heldTries[filepath.Base(path)].until, LongestBackoff) {
		if begun {
			r.leaveOpen(p.Plan)
		}
		return errLater
	}
	p.Ask = ask
	r.loop.log.Info("held plan is approved", "plan", path, "by", by)
	out, err := r.applyAs(ctx, p)
	switch {
	case engine.IsRefused(err):
		return errors.Join(err, r.removeHeld(path))
	case isOver(out, err): // what failed is accounted for, and planned again if necessary
		return r.removeHeld(path)
	case err == nil, errors.Is(err, context.Canceled):
		return errors.New("a part of it failed; the loop retries that later")
	}
	return err
}

// errLater means that a held plan failed before and its next try is not due yet.
var errLater = errors.New("it waits for its next try")

// approvedHeld returns a held plan that may be applied, and who approved it; nil if it may not run
// yet. A plan that was used up or overtaken can never run: approvedHeld removes it, and what is
// still to be done is held again.
func (r *round) approvedHeld(path string) (p *engine.Proposal, by string, begun bool, err error) {
	file, why, err := ReadUsable(r.loop.env.Files, path)
	if err != nil || why != nil || len(file.Approvals) == 0 {
		// A plan that this version can't use is kept or removed when the round writes its own held plans.
		return nil, "", false, err
	}
	p = engine.InFile(file, path)
	begun, _, err = r.loop.cfg.Engine.Begun(p)
	if engine.IsRefused(err) {
		r.loop.log.Info("held plan is over", "plan", path, "code", codeOf(err), "because", err.Error())
		if r.loop.Options.DryRun {
			return nil, "", false, nil
		}
		return nil, "", false, r.removeHeld(path)
	}
	if err != nil {
		return nil, "", false, err
	}
	approvals, err := r.loop.cfg.Engine.Judge(p, begun)
	if engine.IsRefused(err) {
		r.loop.log.Info("held plan is not ready", "plan", path, "code", codeOf(err),
			"because", err.Error())
		return nil, "", false, nil
	}
	return p, namesOf(approvals), begun, err
}

// namesOf returns the names of the people who gave approvals.
func namesOf(approvals []ledger.Approval) string {
	var names []string
	for _, a := range approvals {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// codeOf returns the code of a refusal; empty for any other error.
func codeOf(err error) engine.Code {
	code, _ := engine.RefusedAs(err)
	return code
}
