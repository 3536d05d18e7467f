package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
)

// notifyTimeout is the longest time that one notice may take.
const notifyTimeout = 30 * time.Second

// heldNotice is the notice about a held plan; docs/how-to/monitor.md describes it.
type heldNotice struct {
	Event string `json:"event"`
	Plan  string `json:"plan"`
	// Name is the plan's name for people.
	Name    string `json:"name"`
	File    string `json:"file"`
	Host    string `json:"host"`
	Actions int    `json:"actions"`
	// Danger lists the kinds of danger in the plan.
	Danger []planner.Danger `json:"danger"`
	// Because are the rules that hold the plan. Addresses are the first of its resources.
	Because   []string `json:"because"`
	Addresses []string `json:"addresses"`
	Text      string   `json:"text"`
}

// quarantineNotice is the notice about a resource that fails again and again.
type quarantineNotice struct {
	Event    string             `json:"event"`
	Host     string             `json:"host"`
	Address  string             `json:"address"`
	Action   planner.ActionKind `json:"action"`
	Failures int                `json:"failures"`
	Error    string             `json:"error"`
	Text     string             `json:"text"`
}

// channels are the ways to tell people.
var channels = []string{"exec", "webhook"}

// marker returns the path of the file beside a held plan that says that one channel has reported
// the plan: once for each plan id.
func marker(path, channel string) string {
	return strings.TrimSuffix(path, ".plan") + "." + channel + ".told"
}

// tellPeople reports held plans and resources in quarantine that were not reported yet. What fails
// is tried again in the next round. A channel that failed is not tried again in this round.
func (r *round) tellPeople(ctx context.Context) {
	for _, channel := range r.loop.cfg.Channels {
		if err := errors.Join(r.tellOfHeld(ctx, channel), r.tellOfQuarantine(ctx, channel),
			r.tellOfOrders(ctx, channel)); err != nil {
			r.loop.log.Warn("notify", "channel", channel, "error", err.Error())
		}
	}
}

func (r *round) tellOfHeld(ctx context.Context, channel string) error {
	dir := r.loop.pendingFolder()
	names, err := r.loop.env.Files.Plans(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		told, err := r.loop.env.Files.Exists(marker(path, channel))
		if err != nil {
			return err
		}
		if told {
			continue
		}
		file, why, err := ReadUsable(r.loop.env.Files, path)
		if err != nil {
			return err
		}
		if why != nil {
			continue // nobody can approve it
		}
		if err := r.tell(ctx, channel, noticeOf(file.Plan, path, r.loop.cfg.Engine.Host)); err != nil {
			return fmt.Errorf("tell of %s: %w", path, err)
		}
		if err := r.loop.env.Files.Write(marker(path, channel), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) tellOfQuarantine(ctx context.Context, channel string) error {
	for key, f := range r.loop.history.Failures {
		if !f.Quarantined() || slices.Contains(f.Told, channel) {
			continue
		}
		n := quarantineNotice{Event: "quarantined", Host: r.loop.cfg.Engine.Host, Address: f.Address,
			Action: f.Action, Failures: f.Count, Error: f.Error,
			Text: fmt.Sprintf("cscs-sync on %s: %s of %s failed %d times: %s", r.loop.cfg.Engine.Host,
				f.Action, f.Address, f.Count, f.Error)}
		if err := r.tell(ctx, channel, n); err != nil {
			return fmt.Errorf("tell of %s: %w", f.Address, err)
		}
		f.Told = append(slices.Clone(f.Told), channel)
		r.loop.history.Failures[key] = f
	}
	return nil
}

// tell sends one notice through one channel.
func (r *round) tell(ctx context.Context, channel string, notice any) error {
	body, err := json.Marshal(notice)
	if err != nil {
		return err
	}
	r.loop.stage("notifying", notifyTimeout+engine.StageSlack)
	ctx, end := engine.Looking(ctx, r.loop.stop())
	defer end()
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	return r.loop.env.Send(ctx, channel, body)
}

// addressesOf lists the resources of a plan, at most so many, without the parent directories that
// have to be made.
func addressesOf(p *planner.Plan, most int) string {
	var some []string
	more := 0
	for i := range p.Core.Actions {
		switch a := &p.Core.Actions[i]; {
		case a.Target.IsBranch() && a.Kind == planner.Create:
		case len(some) < most:
			some = append(some, a.Address)
		default:
			more++
		}
	}
	if more > 0 {
		some = append(some, fmt.Sprintf("%d more", more))
	}
	return strings.Join(some, ", ")
}

// noticeOf returns the notice about a held plan.
func noticeOf(p *planner.Plan, path, host string) heldNotice {
	id := canonical.ID(p.Core)
	n := heldNotice{Event: "held", Plan: id, Name: policy.Name(&p.Core, id), File: path, Host: host,
		Actions: len(p.Core.Actions), Danger: []planner.Danger{},
		Because: []string{}, Addresses: []string{}}
	seen := map[planner.Danger]bool{}
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		for _, d := range a.Danger {
			if !seen[d] {
				seen[d] = true
				n.Danger = append(n.Danger, d)
			}
		}
		if len(n.Addresses) < 20 {
			n.Addresses = append(n.Addresses, a.Address)
		}
	}
	for _, w := range p.Context.Warnings {
		if w.Code == codes.Held {
			n.Because = append(n.Because, w.Text)
		}
	}
	n.Text = fmt.Sprintf("cscs-sync on %s holds plan %s with %d actions: cscs-sync held approve %s",
		host,
		n.Name, n.Actions, n.Name)
	return n
}
