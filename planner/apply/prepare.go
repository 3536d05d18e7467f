package apply

import (
	"encoding/json"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Now is what is known about the world just before a plan runs.
type Now struct {
	Settings *planner.Settings
	Items    []planner.Item
	// Graph was compared with fresh observations, and it watches the plan's resources.
	Graph    *planner.Graph
	Recorded planner.Recorded
	// Orders are Waldur's answers about the orders that the plan names.
	Orders map[string]planner.OrderAnswer
	// Resumed reports whether an earlier run has begun this plan. Steps is its journal so far.
	Resumed bool
	Steps   []ledger.Step
}

// Prepare pairs each action of an approved plan with what is known now, and returns in what the
// plan is stale. For a begun plan it takes the plan's own earlier work into account.
func Prepare(p *planner.Plan, id string, now Now) (Job, []planner.Stale) {
	job := Job{ID: id, Resumed: now.Resumed, Work: make([]Work, len(p.Core.Actions))}
	items := make(map[planner.Key]*planner.Item, len(now.Items))
	for i := range now.Items {
		items[now.Items[i].Key] = &now.Items[i]
	}
	finished := map[planner.Key]bool{}
	queued, pending := keysWith(now.Steps, stepQueued), keysWith(now.Steps, stepPending)
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		w := &job.Work[i]
		*w = Work{Action: a, Archived: now.Recorded.Archived[a.Key], Queued: queued[a.Key]}
		if sys := now.Settings.SystemNamed(a.System); sys != nil {
			w.Unit, w.Async, w.Pending = sys.Traits.Unit, sys.Traits.Async, pending[a.Key]
		}
		if watched, ok := now.Graph.Watched(a.Key); ok {
			w.Record = watched.Record
			w.Record.Plan = id
			w.Finished = now.Resumed && endedByUs(a, watched, now.Orders)
			w.Shared = watched.Shared
			finished[a.Key] = w.Finished
		}
		if a.Kind == planner.Archive {
			was, _ := now.Recorded.Records.Of(a.Key)
			w.Record.Claim = was.Claim
		}
		if it := items[a.Key]; it != nil {
			w.Order, w.URLs = planner.OrderURLs(now.Settings, it)
			w.Bodies = bodies(a, it, now.Settings)
		}
	}
	var stale []planner.Stale
	for _, s := range planner.Recheck(p, now.Graph) {
		if !finished[s.Key] && !(now.Resumed && byOurselves(p, s, now.Graph)) {
			stale = append(stale, s)
		}
	}
	return job, stale
}

// keysWith returns the resources for which an earlier run of the plan has journaled a step of this
// name.
func keysWith(steps []ledger.Step, name string) map[planner.Key]bool {
	keys := map[planner.Key]bool{}
	for _, st := range steps {
		if st.Name == name {
			keys[st.Key] = true
		}
	}
	return keys
}

// SkipStale marks the work that is stale, so that it is left out.
func (j *Job) SkipStale(stale []planner.Stale) {
	why := map[planner.Key][]string{}
	for _, s := range stale {
		why[s.Key] = append(why[s.Key], s.Field+" was "+s.Then+" when planned, is "+s.Now+" now")
	}
	for i := range j.Work {
		if w := why[j.Work[i].Action.Key]; w != nil {
			j.Work[i].Skip = "stale: " + strings.Join(w, "; ")
		}
	}
}

// endedByUs reports whether an order is no longer listed because our last callback ended it before
// a kill.
func endedByUs(a *planner.Action, w planner.Watched, orders map[string]planner.OrderAnswer) bool {
	if a.Order == "" || w.Order == a.Order || len(a.Callbacks) == 0 {
		return false
	}
	answer, ok := orders[a.Order]
	return ok && answer.Why == "" && took(a.Callbacks[len(a.Callbacks)-1], answer.Order.State)
}

// byOurselves reports whether an earlier, killed run of the same plan explains a difference. The
// engine looks closer before it continues from there.
func byOurselves(p *planner.Plan, s planner.Stale, g *planner.Graph) bool {
	w, _ := g.Watched(s.Key)
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		if a.Key != s.Key {
			continue
		}
		switch a.Kind {
		case planner.Create:
			return s.Field == "inode" || s.Field == "observed owner" || s.Field == "observed group" ||
				s.Field == "observed mode"
		case planner.Archive:
			elsewhere := s.Field == "order" || s.Field == "address" || s.Field == "directory"
			return w.Kind == planner.Report && (s.Field == "state" || w.Inode == 0 && !elsewhere)
		case planner.Restore:
			return s.Field == "state" && w.Inode == a.Inode
		}
	}
	return false
}

// bodies returns the JSON bodies of an action's callbacks that need one.
func bodies(a *planner.Action, it *planner.Item, s *planner.Settings) map[planner.Callback][]byte {
	out := map[planner.Callback][]byte{}
	for _, c := range a.Callbacks {
		var body any
		switch c {
		case planner.SetBackendID:
			body = map[string]string{"backend_id": it.MountPath}
		case planner.SetStateErred: // without both members Waldur answers 500
			body = map[string]string{"error_message": a.Verdict, "error_traceback": ""}
		case planner.Reject:
			body = map[string]string{"provider_rejection_comment": a.Verdict}
		case planner.UpdateOptions:
			body = map[string]any{"options": options(a, s.Tera)}
		default:
			continue
		}
		if b, err := json.Marshal(body); err == nil {
			out[c] = b
		}
	}
	return out
}

// options returns the new limits as Waldur's options. Waldur takes space only in whole tera, so a
// limit that is not a whole number of tera is left out.
func options(a *planner.Action, tera planner.Bytes) map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range a.Changes {
		n, ok := c.After.Number()
		option := c.Attribute.Option()
		switch {
		case !ok || option == "":
		case !c.Attribute.IsSpace():
			out[option] = n
		case n%uint64(tera) == 0:
			out[option] = n / uint64(tera)
		}
	}
	return out
}
