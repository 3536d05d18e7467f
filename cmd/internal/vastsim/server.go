// Package vastsim simulates the parts of a VAST system's management API that quotas need: tokens,
// quotas, tenants and tasks.
//
// # Control interface
//
// GET and PUT /sim/behaviour read and set [Behaviour]. PUT /sim/usage sets the [Usage] of a path.
// GET /sim/requests lists the requests so far. They need no token.
package vastsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

// The credentials that clients must use.
const (
	Token    = "sim-token"
	User     = "sim"
	Password = "sim-password"
	Tenant   = "default"
)

// Behaviour is how the simulator answers.
type Behaviour struct {
	// Pages answers listings with {count, next, results} instead of an array. Repeat begins each page
	// with the last item of the previous page. Skip omits the first item of later pages.
	Pages, Repeat, Skip bool
	// MaxPage is the largest page, whatever is requested. Whole ignores the page parameters. Echo
	// repeats the authorization as the state of quotas.
	MaxPage     int
	Whole, Echo bool
	// Expired is the status that JWT tokens get until they are renewed: 401 or 403; 0 means that they
	// are valid. Denied refuses all requests.
	Expired int
	Denied  bool
	// Fail is how many requests get FailStatus with FailText.
	Fail       int
	FailStatus int
	FailText   string
	// Lost is how many changes of quotas take effect but get no answer.
	Lost int
	// Tasks is the number of polls after which a change finishes; 0 means immediately. TaskState is
	// the state in which tasks end; empty means COMPLETED.
	Tasks     int
	TaskState string
	// State is the state of all quotas; empty means OK.
	State string
	// ZeroForNull answers 0 if there is no limit. DropNull ignores nulls in changes.
	ZeroForNull, DropNull bool
	// LateUsage shows the usage from before the last change.
	LateUsage bool
}

// Usage is the usage below a path.
type Usage struct {
	Path                                 string
	Capacity, Effective, Limited, Inodes uint64
}

// limits are nil for no limit.
type limits struct {
	Hard       *uint64 `json:"hard_limit"`
	Soft       *uint64 `json:"soft_limit"`
	HardInodes *uint64 `json:"hard_limit_inodes"`
	SoftInodes *uint64 `json:"soft_limit_inodes"`
}

type stored struct {
	limits
	ID     uint64
	Name   string
	Path   string
	Tenant uint64
	Grace  string
}

type task struct {
	polls int
	apply func()
}

// Server is the simulator.
type Server struct {
	mu       sync.Mutex
	file     string
	b        Behaviour
	data     data
	tasks    map[uint64]*task
	access   int
	requests []string
	mux      *http.ServeMux
}

// data is the content of the file.
type data struct {
	Next        uint64
	Quotas      []*stored
	Usage, Late map[string]Usage
}

// New returns a simulator that keeps its quotas in a file; an empty name keeps them in memory.
func New(file string) (*Server, error) {
	s := &Server{file: file, tasks: map[uint64]*task{}, data: data{Next: 1,
		Usage: map[string]Usage{}, Late: map[string]Usage{}}}
	if file != "" {
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &s.data)
		}
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	}
	s.mux = s.routes()
	return s, nil
}

func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	for _, v := range []string{"/api/v5", "/api/latest"} {
		m.HandleFunc("POST "+v+"/token/", s.login)
		m.HandleFunc("POST "+v+"/token/refresh/", s.refresh)
		m.HandleFunc("GET "+v+"/quotas/", s.authorized(s.list))
		m.HandleFunc("POST "+v+"/quotas/", s.authorized(s.create))
		m.HandleFunc("GET "+v+"/quotas/{id}/", s.authorized(s.get))
		m.HandleFunc("PATCH "+v+"/quotas/{id}/", s.authorized(s.change))
		m.HandleFunc("DELETE "+v+"/quotas/{id}/", s.authorized(s.remove))
		m.HandleFunc("GET "+v+"/vtasks/{id}/", s.authorized(s.task))
		m.HandleFunc("GET "+v+"/tenants/", s.authorized(s.tenants))
	}
	m.HandleFunc("GET /sim/behaviour", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, s.b)
	})
	m.HandleFunc("PUT /sim/behaviour", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, &Behaviour{}, func(b *Behaviour) { s.b = *b })
	})
	m.HandleFunc("PUT /sim/usage", func(w http.ResponseWriter, r *http.Request) {
		take(w, r, &Usage{}, s.setUsage)
	})
	m.HandleFunc("GET /sim/requests", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, s.requests)
	})
	return m
}

// ServeHTTP implements [http.Handler]. It answers one request after the other.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/sim/") {
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		if s.b.Fail > 0 {
			s.b.Fail--
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(s.b.FailStatus)
			fmt.Fprint(w, s.b.FailText)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// Behave sets how the simulator answers.
func (s *Server) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = b
}

// Use sets the usage below a path.
func (s *Server) Use(u Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setUsage(&u)
}

func (s *Server) setUsage(u *Usage) {
	s.data.Late[u.Path] = s.data.Usage[u.Path]
	s.data.Usage[u.Path] = *u
	s.save()
}

// Requests returns the requests so far, as method and path.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.requests...)
}

func (s *Server) save() {
	if s.file == "" {
		return
	}
	text, err := json.Marshal(s.data)
	if err == nil {
		err = os.WriteFile(s.file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(s.file+".new", s.file)
	}
	if err != nil {
		panic(fmt.Sprintf("vast-sim cannot keep its file: %v", err))
	}
}

func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		switch {
		case s.b.Denied:
			answer(w, 403, map[string]string{"code": "permission_denied",
				"detail": "You do not have permission: " + given})
		case given == "Api-Token "+Token, given == "Bearer "+s.accessToken() && s.b.Expired == 0:
			next(w, r)
		case s.b.Expired != 0:
			answer(w, s.b.Expired,
				map[string]string{"detail": "Given token not valid for any token type"})
		default:
			answer(w, 401, map[string]string{"detail": "Authentication credentials were not provided."})
		}
	}
}

func (s *Server) accessToken() string { return "access-" + strconv.Itoa(s.access) }

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Username, Password string }
	take(w, r, &in, nil)
	if in.Username != User || in.Password != Password {
		answer(w, 401, map[string]string{"detail": "No account for " + in.Password})
		return
	}
	s.renew(w)
}

func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	var in struct{ Refresh string }
	take(w, r, &in, nil)
	if in.Refresh != "refresh-"+strconv.Itoa(s.access) {
		answer(w, 401, map[string]string{"detail": "Token is invalid or expired"})
		return
	}
	s.renew(w)
}

func (s *Server) renew(w http.ResponseWriter) {
	s.access++
	s.b.Expired = 0
	answer(w, 200, map[string]string{"access": s.accessToken(), "refresh": "refresh-" +
		strconv.Itoa(s.access)})
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// take decodes a body. If then is not nil, it calls then with the result and answers 204.
func take[T any](w http.ResponseWriter, r *http.Request, in *T, then func(*T)) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	if err := d.Decode(in); err != nil {
		if then != nil {
			answer(w, 400, map[string]string{"detail": err.Error()})
		}
		return false
	}
	if then != nil {
		then(in)
		w.WriteHeader(http.StatusNoContent)
	}
	return true
}
