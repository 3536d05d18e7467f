package vastsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// view returns a quota as the API shows it.
func (s *Server) view(q *stored) map[string]any {
	u := s.data.Usage[q.Path]
	if s.b.LateUsage {
		u = s.data.Late[q.Path]
	}
	state := s.b.State
	if state == "" {
		state = q.state(u)
	}
	return map[string]any{
		"id": q.ID, "name": q.Name, "path": q.Path, "tenant_id": q.Tenant, "tenant_name": Tenant,
		"grace_period": q.Grace,
		"hard_limit":   s.limit(q.Hard), "soft_limit": s.limit(q.Soft),
		"hard_limit_inodes": s.limit(q.HardInodes), "soft_limit_inodes": s.limit(q.SoftInodes),
		"used_capacity": u.Capacity, "used_effective_capacity": u.Effective,
		"used_limited_capacity": u.Limited,
		"used_inodes":           u.Inodes, "state": state, "sync_state": "SYNCHRONIZED",
		"time_to_block": "1 02:00:00", "internal": false,
	}
}

// state returns the state of a quota for a usage.
func (q *stored) state(u Usage) string {
	space, inodes := max(u.Capacity, u.Effective, u.Limited), u.Inodes
	above := func(limit *uint64, n uint64) bool { return limit != nil && n > *limit }
	switch {
	case above(q.Hard, space) && above(q.HardInodes, inodes):
		return "HARD_BOTH_EXCEEDED"
	case above(q.Hard, space):
		return "HARD_EXCEEDED"
	case above(q.HardInodes, inodes):
		return "INODE_HARD_EXCEEDED"
	case above(q.Soft, space) && above(q.SoftInodes, inodes):
		return "SOFT_BOTH_EXCEEDED"
	case above(q.Soft, space):
		return "SOFT_EXCEEDED"
	case above(q.SoftInodes, inodes):
		return "INODE_SOFT_EXCEEDED"
	}
	return "OK"
}

func (s *Server) limit(n *uint64) any {
	if n == nil && s.b.ZeroForNull {
		return 0
	}
	return n
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.FormValue("page_size"))
	if err != nil || size < 1 {
		size = max(len(s.data.Quotas), 1)
	}
	if s.b.MaxPage > 0 {
		size = min(size, s.b.MaxPage)
	}
	page := 1
	if n, err := strconv.Atoi(r.FormValue("page")); err == nil && n > 0 {
		page = n
	}
	var of []*stored
	for _, q := range s.data.Quotas {
		if t := r.FormValue("tenant_id"); t == "" || t == strconv.FormatUint(q.Tenant, 10) {
			of = append(of, q)
		}
	}
	if s.b.Whole {
		size, page = len(of)+1, 1
	}
	from, to := min((page-1)*size, len(of)), min(page*size, len(of))
	next := any(nil)
	if to < len(of) {
		next = "http://elsewhere.invalid/never-follow-this"
	}
	if page > 1 && from < to {
		if s.b.Repeat {
			from--
		}
		if s.b.Skip {
			from++
		}
	}
	items := []any{}
	for _, q := range of[from:to] {
		view := s.view(q)
		if s.b.Echo {
			view["state"] = r.Header.Get("Authorization")
		}
		items = append(items, view)
	}
	if s.b.Pages {
		answer(w, 200, map[string]any{"count": len(of), "next": next, "previous": nil,
			"results": items})
		return
	}
	answer(w, 200, items)
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) *stored {
	for _, q := range s.data.Quotas {
		if strconv.FormatUint(q.ID, 10) == r.PathValue("id") {
			return q
		}
	}
	answer(w, 404, map[string]string{"detail": "Not found."})
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	if q := s.find(w, r); q != nil {
		answer(w, 200, s.view(q))
	}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	in := map[string]json.RawMessage{}
	take(w, r, &in, nil)
	q := &stored{ID: s.data.Next, Tenant: 1, Grace: "30d"}
	if json.Unmarshal(in["name"], &q.Name) != nil || json.Unmarshal(in["path"], &q.Path) != nil ||
		q.Path == "" {
		answer(w, 400, map[string]string{"detail": "name and path are required"})
		return
	}
	if t, ok := in["tenant_id"]; ok {
		_ = json.Unmarshal(t, &q.Tenant)
	}
	same := func(o *stored) bool { return o.Path == q.Path && o.Tenant == q.Tenant }
	if slices.ContainsFunc(s.data.Quotas, same) {
		answer(w, 400, map[string]string{"detail": "a quota on this path exists"})
		return
	}
	s.data.Next++
	s.data.Quotas = append(s.data.Quotas, q)
	id := s.start(func() { s.apply(q, in) })
	s.save()
	s.lose()
	answer(w, 201, s.withTask(q, id))
}

// lose breaks off the connection if the answer to this change should be lost.
func (s *Server) lose() {
	if s.b.Lost > 0 {
		s.b.Lost--
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	q := s.find(w, r)
	in := map[string]json.RawMessage{}
	if q == nil || !take(w, r, &in, nil) {
		return
	}
	id := s.start(func() { s.apply(q, in) })
	s.save()
	s.lose()
	answer(w, 200, s.withTask(q, id))
}

func (s *Server) withTask(q *stored, task uint64) map[string]any {
	view := s.view(q)
	if task != 0 {
		view["async_task"] = map[string]any{"id": task}
	}
	return view
}

func (s *Server) apply(q *stored, in map[string]json.RawMessage) {
	for name, to := range map[string]**uint64{"hard_limit": &q.Hard, "soft_limit": &q.Soft,
		"hard_limit_inodes": &q.HardInodes, "soft_limit_inodes": &q.SoftInodes} {
		if v, ok := in[name]; ok && (string(v) != "null" || !s.b.DropNull) {
			*to = nil
			_ = json.Unmarshal(v, to)
		}
	}
	s.save()
}

// start makes a change immediately, or starts a task that makes it, and returns the task's id.
func (s *Server) start(apply func()) uint64 {
	if s.b.Tasks == 0 {
		apply()
		return 0
	}
	id := uint64(len(s.tasks) + 1)
	s.tasks[id] = &task{polls: s.b.Tasks, apply: apply}
	return id
}

func (s *Server) task(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseUint(r.PathValue("id"), 10, 64)
	t := s.tasks[id]
	if t == nil {
		answer(w, 404, map[string]string{"detail": "Not found."})
		return
	}
	state := "RUNNING"
	if t.polls--; t.polls <= 0 {
		if state = s.b.TaskState; state == "" {
			state = "COMPLETED"
		}
		if state == "COMPLETED" && t.apply != nil {
			t.apply()
			t.apply = nil
		}
	}
	answer(w, 200, map[string]any{"id": id, "name": "quota_modify", "state": state,
		"messages": map[string]string{"last": "working on it"}})
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	q := s.find(w, r)
	if q == nil {
		return
	}
	s.data.Quotas = slices.DeleteFunc(s.data.Quotas, func(o *stored) bool { return o == q })
	s.save()
	s.lose()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) tenants(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, []any{map[string]any{"id": 1, "name": Tenant}, map[string]any{"id": 2,
		"name": "other"}})
}

// Fill creates n quotas, on paths that begin with prefix.
func (s *Server) Fill(prefix string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		name := prefix + strconv.Itoa(i)
		s.data.Quotas = append(s.data.Quotas, &stored{ID: s.data.Next, Name: name, Path: name,
			Tenant: 1, Grace: "30d"})
		s.data.Next++
	}
	s.save()
}
