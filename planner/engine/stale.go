package engine

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// The refusals of a plan that was good once. Each says what differs, how it was, how it is now, and
// which command to run next.

// again returns the command that makes the plan again.
func (p *Proposal) again() string {
	words := []string{"cscs-sync plan"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			words = append(words, flag, render.ShellWord(v))
		}
	}
	s := &p.Plan.Core.Selection
	if len(s.Restores) > 0 {
		words = []string{"cscs-sync archive restore"}
		for _, address := range s.Restores {
			words = append(words, render.ShellWord(address))
		}
	}
	add("--target", s.Targets...)
	add("--exclude", s.Excludes...)
	for _, o := range s.Rejects {
		add("--reject", o.Address+"="+o.Reason)
	}
	for _, o := range s.Fails {
		add("--fail", o.Address+"="+o.Reason)
	}
	if p.Path != "" && p.Policy == "" { // the loop makes its own plans again by itself
		add("--out", p.Path)
	}
	return strings.Join(words, " ")
}

// configurationChanged refuses a plan that was made under another configuration. It names the parts
// that differ.
func (p *Proposal) configurationChanged(now *planner.Settings) error {
	if p.Plan.Core.Configuration == now.Fingerprint {
		return nil
	}
	why := differentParts(p.Plan.Context.Configuration, now.Parts)
	if len(why) == 0 {
		why = []string{"configuration was " + render.Escape(p.Plan.Core.Configuration) +
			" when planned, is " + now.Fingerprint + " now"}
	}
	return Refuse(Configuration,
		fmt.Errorf("plan %s is stale: the configuration has changed since: %s; nothing was done; "+
			"next: %s", p.Name(),
			strings.Join(why, "; "), p.again()))
}

// differentParts names the parts of the configuration whose digests differ. What the digests stand
// for is in the configuration now and was in the one before.
func differentParts(then, now []planner.ConfigurationPart) []string {
	const none = "not there"
	was := map[string]string{}
	for _, part := range then {
		was[part.Name] = part.Digest
	}
	var list []string
	for _, part := range now {
		if before := cmp.Or(was[part.Name], none); before != part.Digest {
			list = append(list, fmt.Sprintf("%s was %s when planned, is %s now", part.Name,
				render.Escape(before), part.Digest))
		}
		delete(was, part.Name)
	}
	for _, part := range then {
		if digest, gone := was[part.Name]; gone {
			list = append(list, fmt.Sprintf("%s was %s when planned, is %s now",
				render.Escape(part.Name), render.Escape(digest), none))
		}
	}
	return list
}

// ended refuses a plan that has already run, because a plan runs only once.
func (p *Proposal) ended(known ledger.Plan) error {
	return Refuse(Used, fmt.Errorf(
		"plan %s was already applied: not begun when planned, ended %s by %s with the result "+
			"%s now; a plan is applied once; next: %s",
		p.Name(), planner.Minute(known.Ended), render.Escape(known.EndedBy), known.Result,
		p.again()))
}

// superseded refuses a plan if a plan that was made later has begun for one of its resources.
func (p *Proposal) superseded(by []ledger.Supersession) error {
	if len(by) == 0 {
		return nil
	}
	address, more := by[0].Key.Item, ""
	for i := range p.Plan.Core.Actions {
		if a := &p.Plan.Core.Actions[i]; a.Key == by[0].Key {
			address = render.Quote(a.Address)
		}
	}
	if n := len(by) - 1; n > 0 {
		more = " and " + planner.Count(n, "more resource")
	}
	return Refuse(Superseded,
		fmt.Errorf("plan %s is superseded: it was the latest for %s%s when planned (%s), plan %s "+
			"of %s has begun now; nothing was done; next: %s",
			p.Name(), address, more, planner.Minute(p.Plan.Context.Made),
			canonical.ShortID(by[0].Plan),
			planner.Minute(by[0].Made), p.again()))
}

// moved refuses a plan that no longer shows the present state of things.
func (p *Proposal) moved(stale []planner.Stale) error {
	next := p.again()
	if p.Path != "" {
		next += ", or to leave out what is stale: cscs-sync apply --skip-stale " +
			render.ShellWord(p.Path)
	}
	errs := []error{fmt.Errorf(
		"plan %s is stale: %d things have changed since it was shown; nothing was done; "+
			"next: %s",
		p.Name(), len(stale),
		next)}
	for _, s := range stale {
		errs = append(errs, errors.New(s.String()))
	}
	return Refuse(Stale, errors.Join(errs...))
}

// standing checks what the state knows about a plan that is about to begin: whether it has ended or
// was superseded. begun reports whether it has begun before and has not ended, so that it
// continues.
func (p *Proposal) standing(tx ledger.Tx) (begun bool, at time.Time, err error) {
	known, ok, err := tx.Plan(p.ID)
	switch {
	case err != nil:
		return false, at, err
	case ok && !known.Over():
		return true, known.Begun, nil
	case ok && !known.Renewed(p.Plan.Context.Ledger):
		return false, at, p.ended(known)
	}
	by, err := tx.Superseded(ledger.PlanStart{ID: p.ID, Made: p.Plan.Context.Made,
		Ledger: p.Plan.Context.Ledger, Keys: KeysOf(p.Plan)})
	if err != nil {
		return false, at, err
	}
	return false, at, p.superseded(by)
}

// start returns what the ledger records when the plan begins.
func (p *Proposal) start() ledger.PlanStart {
	return ledger.PlanStart{ID: p.ID, Context: p.contextDigest(),
		Made: p.Plan.Context.Made, Ledger: p.Plan.Context.Ledger,
		Keys: KeysOf(p.Plan), Changed: ledger.ChangedBy(&p.Plan.Core)}
}

// notOvertaken refuses a plan that was overtaken after it was approved, in the case in which only
// the approvals can say when that was. Otherwise plans are ordered by the context, which may be
// edited after the approval. If one of the approvals has signed the context, it is unchanged. A
// context that no approval has signed proves nothing: the same plan was made again, or somebody
// changed it.
func (e *Engine) notOvertaken(p *Proposal, v approval.Verdict) error {
	var last time.Time
	for _, j := range v.Approvals {
		if j.Counted && !j.ContextDiffers {
			return nil
		}
		if j.Counted && j.Time.After(last) {
			last = j.Time
		}
	}
	return e.Store.View(func(tx ledger.Tx) error {
		known, ok, err := tx.Plan(p.ID)
		if err != nil {
			return err
		}
		if ok && known.Over() && !known.Ended.Before(last) {
			return p.ended(known)
		}
		by, err := tx.BegunSince(p.ID, last, KeysOf(p.Plan))
		if err != nil || len(by) == 0 {
			return err
		}
		return Refuse(Superseded,
			fmt.Errorf("plan %s was approved before plan %s began for %s, and its context is not the "+
				"one that was approved, so nothing says which is newer; nothing was done; next: %s", p.Name(),
				canonical.ShortID(by[0].Plan),
				planner.Count(len(by), "resource"), p.again()))
	})
}
