package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/state"
)

// notifyTimeout bounds one notification.
const notifyTimeout = 30 * time.Second

// heldNotice is what people's programs are told of a held plan.
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

// tellOfHeld tells of every held plan that nobody was told of yet. A marker beside the file makes it once for each id; what
// fails is tried again in the next round.
func (r *round) tellOfHeld(ctx context.Context) {
	to := r.s.cfg.Run.Notify
	dir := r.s.pendingFolder()
	names, err := pendingPlans(dir)
	if to == nil || err != nil || r.o.dryRun {
		return
	}
	for _, name := range names {
		marker := filepath.Join(dir, strings.TrimSuffix(name, ".plan")+".told")
		if _, err := os.Lstat(marker); err == nil {
			continue
		}
		if err := r.tellOf(ctx, to, filepath.Join(dir, name)); err != nil {
			r.log.Warn("notify", "plan", filepath.Join(dir, name), "error", err.Error())
			continue
		}
		if err := state.WriteFile(marker, nil, fs.FileMode(0o600), nil); err != nil {
			r.log.Warn("notify", "error", err.Error())
		}
	}
}

// tellOf tells everybody of one held plan.
func (r *round) tellOf(ctx context.Context, to *config.Notify, path string) error {
	file, err := r.s.readPlan(path)
	if err != nil {
		return err
	}
	body, err := json.Marshal(noticeOf(file.Plan, path, r.s.host))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if len(to.Exec) > 0 {
		cmd := exec.CommandContext(ctx, to.Exec[0], to.Exec[1:]...)
		cmd.Stdin, cmd.Env, cmd.WaitDelay = bytes.NewReader(body), []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}, time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("run %s: %w: %.200s", to.Exec[0], err, out)
		}
	}
	if to.Webhook != "" {
		return r.s.post(ctx, to, body)
	}
	return nil
}

func (a *app) post(ctx context.Context, to *config.Notify, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Webhook, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if to.Token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+to.Token.Reveal())
	}
	client := &http.Client{Transport: a.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(req)
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

// noticeOf says what is held.
func noticeOf(p *planner.Plan, path, host string) heldNotice {
	n := heldNotice{Event: "held", Plan: planfile.ID(p.Core), File: path, Host: host, Actions: len(p.Core.Actions), Danger: []planner.Danger{}, Because: []string{}, Addresses: []string{}}
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
		if w.Code == "held" {
			n.Because = append(n.Because, w.Text)
		}
	}
	n.Text = fmt.Sprintf("cscs-sync on %s holds plan %s with %d actions: cscs-sync approve %s", host, planfile.ShortID(n.Plan), n.Actions, path)
	return n
}
