package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/state"
)

// notifyTimeout bounds one notification.
const notifyTimeout = 30 * time.Second

// heldNotice is what people's programs are told of a held plan; docs/loop.md describes it.
type heldNotice struct {
	Event   string `json:"event"`
	Plan    string `json:"plan"`
	File    string `json:"file"`
	Host    string `json:"host"`
	Actions int    `json:"actions"`
	// Danger lists the kinds of danger in the plan.
	Danger []planner.Danger `json:"danger"`
	// Because are the rules that hold it; Addresses the first of its resources.
	Because   []string `json:"because"`
	Addresses []string `json:"addresses"`
	Text      string   `json:"text"`
}

// quarantineNotice is what they are told of a resource that fails again and again.
type quarantineNotice struct {
	Event    string             `json:"event"`
	Host     string             `json:"host"`
	Address  string             `json:"address"`
	Action   planner.ActionKind `json:"action"`
	Failures int                `json:"failures"`
	Error    string             `json:"error"`
	Text     string             `json:"text"`
}

// channels are the ways of telling people.
var channels = []string{"exec", "webhook"}

// marker is the file beside a held plan that says that one channel has told of it: once for each id.
func marker(path, channel string) string {
	return strings.TrimSuffix(path, ".plan") + "." + channel + ".told"
}

// tellPeople tells of held plans and of resources in quarantine of which nobody was told yet. What fails is tried again in
// the next round; a channel that failed is not tried again in this one.
func (r *round) tellPeople(ctx context.Context) {
	to := r.s.cfg.Run.Notify
	if to == nil {
		return
	}
	for _, channel := range channels {
		if channel == "exec" && len(to.Exec) == 0 || channel == "webhook" && to.Webhook == "" {
			continue
		}
		if err := errors.Join(r.tellOfHeld(ctx, to, channel), r.tellOfQuarantine(ctx, to, channel),
			r.tellOfOrders(ctx, to, channel)); err != nil {
			r.log.Warn("notify", "channel", channel, "error", err.Error())
		}
	}
}

func (r *round) tellOfHeld(ctx context.Context, to *config.Notify, channel string) error {
	dir := r.s.pendingFolder()
	names, err := planFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(marker(path, channel)); err == nil {
			continue
		}
		file, why, err := r.s.readUsable(path)
		if err != nil {
			return err
		}
		if why != nil {
			continue // nobody can approve it
		}
		if err := r.tell(ctx, to, channel, noticeOf(file.Plan, path, r.s.host)); err != nil {
			return fmt.Errorf("tell of %s: %w", path, err)
		}
		if err := state.WriteFile(marker(path, channel), nil, fs.FileMode(0o600), nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) tellOfQuarantine(ctx context.Context, to *config.Notify, channel string) error {
	for key, f := range r.memory.failures {
		if !f.quarantined() || slices.Contains(f.Told, channel) {
			continue
		}
		n := quarantineNotice{Event: "quarantined", Host: r.s.host, Address: f.Address, Action: f.Action, Failures: f.Count, Error: f.Error,
			Text: fmt.Sprintf("cscs-sync on %s: %s of %s failed %d times: %s", r.s.host, f.Action, f.Address, f.Count, f.Error)}
		if err := r.tell(ctx, to, channel, n); err != nil {
			return fmt.Errorf("tell of %s: %w", f.Address, err)
		}
		f.Told = append(slices.Clone(f.Told), channel)
		r.memory.failures[key] = f
	}
	return nil
}

// tell sends one notice by one channel.
func (r *round) tell(ctx context.Context, to *config.Notify, channel string, notice any) error {
	body, err := json.Marshal(notice)
	if err != nil {
		return err
	}
	r.s.stage("notifying", notifyTimeout+stageSlack)
	ctx, end := r.s.looking(ctx)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if channel == "webhook" {
		return r.s.post(ctx, to, body)
	}
	if err := config.OS().TrustedProgram(to.Exec[0]); err != nil { // it may have become so since the configuration was read
		return fmt.Errorf("run %s: %w", to.Exec[0], err)
	}
	cmd := exec.CommandContext(ctx, to.Exec[0], to.Exec[1:]...)
	cmd.Stdin, cmd.Env, cmd.WaitDelay = bytes.NewReader(body), []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %.200s", to.Exec[0], err, out)
	}
	return nil
}

// post sends a notice to the webhook. Its URL may be a secret, so no error shows more of it than the host.
func (a *app) post(ctx context.Context, to *config.Notify, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("notify.webhook is no URL to post to")
	}
	req.Header.Set("Content-Type", "application/json")
	if to.Token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+to.Token.Reveal())
	}
	client := &http.Client{Transport: a.transport(), CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}
	answer, err := client.Do(req)
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	if err != nil {
		return fmt.Errorf("post to %s: %w", req.URL.Host, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode >= 300 {
		return fmt.Errorf("post to %s: %s", req.URL.Host, answer.Status)
	}
	return nil
}

// addressesOf names the resources of a plan, at most so many, without the directories that have to be made above
// them.
func addressesOf(p *planner.Plan, most int) string {
	var some []string
	more := 0
	for i := range p.Core.Actions {
		switch a := &p.Core.Actions[i]; {
		case a.Target.IsNode() && a.Kind == planner.Create:
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

// noticeOf says what is held.
func noticeOf(p *planner.Plan, path, host string) heldNotice {
	n := heldNotice{Event: "held", Plan: planfile.ID(p.Core), File: path, Host: host, Actions: len(p.Core.Actions), Danger: []planner.Danger{},
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
	n.Text = fmt.Sprintf("cscs-sync on %s holds plan %s with %d actions: cscs-sync approve %s", host,
		planfile.ShortID(n.Plan), n.Actions, path)
	return n
}
