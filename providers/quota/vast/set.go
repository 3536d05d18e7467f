package vast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/strictjson"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// Pending is a change on which VAST still works. The zero value means none.
type Pending struct {
	// Task is the id of the task, and Quota is the id of the quota.
	Task, Quota uint64
	Want        planner.Limits
}

// change is the body of a request. Only a new quota has Name and Path.
type change struct {
	Name       string  `json:"name,omitempty"`
	Path       string  `json:"path,omitempty"`
	Tenant     uint64  `json:"tenant_id,omitempty"`
	Hard       *uint64 `json:"hard_limit"` // null is no limit
	Soft       *uint64 `json:"soft_limit"`
	HardInodes *uint64 `json:"hard_limit_inodes"`
	SoftInodes *uint64 `json:"soft_limit_inodes"`
}

func body(l quota.Limits) change {
	n := func(n uint64) *uint64 {
		if n == 0 {
			return nil
		}
		return &n
	}
	return change{Hard: n(l[planner.SpaceHard]), Soft: n(l[planner.SpaceSoft]),
		HardInodes: n(l[planner.InodesHard]), SoftInodes: n(l[planner.InodesSoft])}
}

// Set sets all four limits of a directory, on its quota or on a new one. If the error is nil and
// nothing is pending, the change is done and was read back. After an error that does not wrap
// [quota.ErrRefused], it is unknown whether the limits were set. Setting them again makes no second
// quota.
func (c *Client) Set(ctx context.Context, dir string, want planner.Limits) (Pending, error) {
	full, err := c.full(dir)
	if err != nil {
		return Pending{}, fmt.Errorf("set quota: %w: nothing was sent: %w", quota.ErrRefused, err)
	}
	l, err := quota.CheckLimits(traits(), full, want)
	if err != nil {
		return Pending{}, err
	}
	p, err := c.set(ctx, full, l, want)
	if err != nil {
		return p, fmt.Errorf("set quota of %s: %w", full, err)
	}
	return p, nil
}

func (c *Client) set(ctx context.Context, full string, l quota.Limits,
	want planner.Limits) (Pending, error) {
	q, found, err := c.find(ctx, full)
	if err != nil {
		return Pending{}, fmt.Errorf("%w: nothing was sent: %w", quota.ErrRefused, err)
	}
	if found {
		return c.modify(ctx, q.ID, l, want)
	}
	tenant, err := c.tenant(ctx)
	if err != nil {
		return Pending{}, fmt.Errorf("%w: nothing was sent: %w", quota.ErrRefused, err)
	}
	b := body(l)
	b.Name, b.Path, b.Tenant = full, full, tenant
	r, err := c.ask(ctx, http.MethodPost, "quotas/", b)
	if err != nil {
		return c.adopt(ctx, full, l, want, err)
	}
	made, err := parseQuota(r.body, c.o.Now())
	if err == nil && made.Path != full {
		err = errors.New("it shows another path")
	}
	if err != nil {
		err = fmt.Errorf("the answer does not show the new quota: %w", err)
		return c.adopt(ctx, full, l, want, err)
	}
	c.mu.Lock()
	c.seen[full] = made.ID
	c.mu.Unlock()
	return c.taskOrVerify(ctx, made.ID, r, want)
}

// adopt looks for the quota after a creation whose answer was lost or invalid. It never creates
// one.
func (c *Client) adopt(ctx context.Context, full string, l quota.Limits, want planner.Limits,
	lost error) (Pending, error) {
	var refused *web.StatusError
	if errors.As(lost, &refused) && refused.Status/100 == 4 {
		return Pending{}, lost
	}
	q, found, err := c.find(ctx, full)
	switch {
	case err != nil:
		return Pending{}, fmt.Errorf("%w; and it is unknown whether the quota was created: %w", lost, err)
	case !found:
		return Pending{}, fmt.Errorf("%w; there is no quota yet", lost)
	case q.State.LimitsWhy() == "" && q.State.Limits == want:
		return Pending{}, nil
	}
	return c.modify(ctx, q.ID, l, want)
}

func (c *Client) modify(ctx context.Context, id uint64, l quota.Limits,
	want planner.Limits) (Pending, error) {
	r, err := c.ask(ctx, http.MethodPatch, fmt.Sprintf("quotas/%d/", id), body(l))
	if err != nil {
		return Pending{}, err
	}
	return c.taskOrVerify(ctx, id, r, want)
}

// taskOrVerify returns the task that an answer names, or else reads the limits back.
func (c *Client) taskOrVerify(ctx context.Context, id uint64, r reply,
	want planner.Limits) (Pending, error) {
	task, err := taskOf(r.body)
	switch {
	case err != nil:
		return Pending{}, c.hidden("").Error(err)
	case task != 0:
		return Pending{Task: task, Quota: id, Want: want}, nil
	}
	return Pending{}, c.verify(ctx, id, want)
}

// taskOf parses async_task: an object with an id, or just the id. An answer may be empty.
func taskOf(text []byte) (uint64, error) {
	m, err := strictjson.Members(text)
	if err != nil {
		if len(text) == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("answer to the change: %w", err)
	}
	task, ok := m["async_task"]
	if !ok || string(task) == "null" {
		return 0, nil
	}
	if inner, err := strictjson.Members(task); err == nil {
		task = inner["id"]
	}
	var id uint64
	if json.Unmarshal(task, &id) != nil || id == 0 {
		return 0, errors.New("answer to the change: async_task: want an id")
	}
	return id, nil
}

// verify reads limits back and compares them.
func (c *Client) verify(ctx context.Context, id uint64, want planner.Limits) error {
	r, err := c.ask(ctx, http.MethodGet, fmt.Sprintf("quotas/%d/", id), nil)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	q, err := parseQuota(r.body, c.o.Now())
	switch {
	case err != nil:
		return c.hidden("").Error(fmt.Errorf("read back: %w", err))
	case q.ID != id:
		return fmt.Errorf("read back: asked for quota %d, got quota %d", id, q.ID)
	case q.State.LimitsWhy() != "":
		return fmt.Errorf("read back: the limits are unknown: %s",
			c.hidden("").Text(q.State.LimitsWhy()))
	case q.State.Limits != want:
		return errors.New("read back: the limits differ from those that were set")
	}
	return nil
}

// Finish asks for a pending change. It is done, still pending, or failed with VAST's message.
func (c *Client) Finish(ctx context.Context, p Pending) (done bool, err error) {
	target := fmt.Sprintf("vtasks/%d/", p.Task)
	r, err := c.ask(ctx, http.MethodGet, target, nil)
	if err != nil {
		return false, fmt.Errorf("ask for task %d: %w", p.Task, err)
	}
	m, err := c.members(r, target)
	if err != nil {
		return false, err
	}
	switch word(m["state"]) {
	case "RUNNING":
		return false, nil
	case "COMPLETED":
		return true, c.verify(ctx, p.Quota, p.Want)
	}
	words := web.Printable(c.hidden("").Text(string(m["messages"])))
	return true, fmt.Errorf("task %d ended as %.40q: %s", p.Task,
		c.hidden("").Text(word(m["state"])), words)
}

// Remove removes the quota of a directory; the data stays. It is no error if there is none.
func (c *Client) Remove(ctx context.Context, dir string) error {
	full, err := c.full(dir)
	if err != nil {
		return fmt.Errorf("remove quota: %w: nothing was sent: %w", quota.ErrRefused, err)
	}
	q, found, err := c.find(ctx, full)
	if err != nil || !found {
		return err
	}
	_, err = c.ask(ctx, http.MethodDelete, fmt.Sprintf("quotas/%d/", q.ID), nil)
	if err != nil && !errors.Is(err, apply.ErrUnreachable) {
		return fmt.Errorf("remove quota of %s: %w", full, err)
	}
	switch _, found, late := c.find(ctx, full); {
	case late != nil:
		return fmt.Errorf("remove quota of %s: it is unknown whether it is gone: %w", full,
			errors.Join(err, late))
	case found:
		return fmt.Errorf("remove quota of %s: it still exists: %w", full, errors.Join(err,
			errors.New("check it on the storage system")))
	}
	return nil
}
