package waldursim

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody is the largest size of a request in bytes.
const maxBody = 16 << 20

var errNotFound = errors.New("not found")

// Options of a simulated server. The zero value works.
type Options struct {
	ProxyToken    string        // bearer token of the listing; default [DefaultProxyToken]
	WaldurToken   string        // token of the callbacks, 40 hex digits; default [DefaultWaldurToken]
	WaldurURL     string        // base of the callback URLs; default: the requested URL, plus /api/
	ClientID      string        // of the OIDC client; default "cscs-sync"
	ClientSecret  string        // default "sim-secret"
	TokenLifetime time.Duration // of the tokens issued; default 5 minutes
	GID           int64         // when not 0, the GID of every resource
	// Cost is how long a page of the listing takes, for each resource that its filter admits.
	Cost time.Duration
	Now  func() time.Time
}

// The default tokens.
const (
	DefaultProxyToken  = "sim-proxy-token"
	DefaultWaldurToken = "0123456789abcdef0123456789abcdef01234567"
)

// Server is proxy, Waldur and token endpoint in one; see the package comment.
type Server struct {
	opts         Options
	sim          http.Handler
	mu           sync.Mutex // guards all below
	model        *model
	cache        map[filter]*listing
	proxyTokens  proxyTokens
	waldurTokens map[string]Account
	faults       []Fault
	requests     []Request
	done         chan struct{}
	stop         sync.Once
	// working is held by the request that the proxy works on, if that has a cost.
	working sync.Mutex
}

// Request is one entry in the log of requests, which omits control requests.
type Request struct {
	N      int    `json:"n"`
	Method string `json:"method"`
	// Path omits the query of a Waldur request, which may contain a token.
	Path       string    `json:"path"`
	Body       string    `json:"body,omitempty"`  // of callbacks
	Status     int       `json:"status"`          // 0: never answered
	TookEffect bool      `json:"took_effect"`     // it changed something
	Callback   bool      `json:"callback"`        // a POST to Waldur
	Fault      FaultKind `json:"fault,omitempty"` // what was done to it
}

// New returns a server with the three offerings of [DefaultOfferings] and no resources.
func New(o Options) *Server {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&o.ProxyToken, DefaultProxyToken)
	set(&o.WaldurToken, DefaultWaldurToken)
	set(&o.ClientID, "cscs-sync")
	set(&o.ClientSecret, "sim-secret")
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		opts: o, cache: map[filter]*listing{}, done: make(chan struct{}),
		proxyTokens:  proxyTokens{ends: map[string]time.Time{o.ProxyToken: {}}},
		waldurTokens: map[string]Account{o.WaldurToken: Provider},
	}
	s.model = newModel(o.Now, o.GID, func() { clear(s.cache) })
	s.model.offerings = defaultOfferings()
	s.sim = s.control()
	return s
}

// Done returns a channel that is closed when somebody has asked the server to stop.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop asks the caller who serves the server to stop.
func (s *Server) Stop() { s.stop.Do(func() { close(s.done) }) }

// ServeHTTP answers control requests, and other requests subject to the faults that are due.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		s.sim.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "request body cannot be read", http.StatusBadRequest)
		return
	}
	fault := s.takeFault(r)
	if fault == nil {
		fault = &Fault{}
	}
	s.wait(fault)
	rep := s.faulty(r, body, fault)
	s.work(r)
	s.record(r, body, rep, fault)
	switch fault.Kind {
	case FaultDrop, FaultLost:
		hangUp(w)
	default:
		write(w, rep, fault.Kind == FaultTruncate)
	}
}

// faulty returns the answer, unless a fault replaces it.
func (s *Server) faulty(r *http.Request, body []byte, f *Fault) reply {
	if rep, instead := f.answer(); instead {
		return rep
	}
	if f.Kind == FaultDrop {
		return reply{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Kind == FaultCancel {
		s.cancel(r)
	}
	return s.answer(r, body)
}

// work takes as long as the real proxy, which for each page reads all resources of the filter from
// Waldur again, one request after the other.
func (s *Server) work(r *http.Request) {
	if s.opts.Cost == 0 || r.URL.Path != listPath {
		return
	}
	s.working.Lock()
	defer s.working.Unlock()
	time.Sleep(s.opts.Cost * time.Duration(s.read(r)))
}

// read returns how many resources the proxy reads from Waldur for a page.
func (s *Server) read(r *http.Request) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, _ := parseQuery(r.URL.Query())
	for _, one := range s.model.resources {
		if q.filter.admits(one) {
			n++
		}
	}
	return n
}

// answer routes a request like the real hosts.
func (s *Server) answer(r *http.Request, body []byte) reply {
	switch path := r.URL.Path; {
	case path == listPath:
		return s.resources(r)
	case path == strings.TrimSuffix(listPath, "/"):
		to := origin(r) + listPath
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		return reply{status: http.StatusTemporaryRedirect, header: map[string]string{"Location": to}}
	case path == tokenPath:
		return s.token(r, body)
	case strings.HasPrefix(path, "/api/marketplace-orders/"),
		strings.HasPrefix(path, "/api/marketplace-provider-resources/"), path == usagePath:
		return s.waldur(r, body)
	}
	return detail(http.StatusNotFound, "Not Found")
}

// waldur splits /api/KIND/UUID/ACTION/ and finds out which account makes the request.
func (s *Server) waldur(r *http.Request, body []byte) reply {
	account, refused := s.waldurAccount(r)
	if refused != nil {
		return *refused
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	if parts[len(parts)-1] != "" || len(parts) < 3 || len(parts) > 4 {
		return detail(http.StatusNotFound, "Not Found")
	}
	name := ""
	if len(parts) == 4 {
		name = parts[2]
	}
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	req := request{method: r.Method, contentType: strings.TrimSpace(contentType), body: body,
		account: account}
	if r.URL.Path == usagePath {
		return s.model.setUsage(req)
	}
	if parts[0] == "marketplace-orders" {
		return s.model.callOrder(req, parts[1], name)
	}
	return s.model.callResource(req, parts[1], name)
}

func (s *Server) record(r *http.Request, body []byte, rep reply, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := Request{
		N: len(s.requests) + 1, Method: r.Method, Path: r.URL.Path, Status: rep.status,
		TookEffect: rep.effect, Fault: f.Kind,
	}
	switch {
	case strings.HasPrefix(r.URL.Path, listPath):
		entry.Path = r.URL.RequestURI()
	case strings.HasPrefix(r.URL.Path, "/api/marketplace-"):
		entry.Callback = r.Method == http.MethodPost
		entry.Body = string(body)
	}
	if f.Kind == FaultDrop || f.Kind == FaultLost {
		entry.Status = 0
	}
	s.requests = append(s.requests, entry)
}

// write sends an answer. If it is to be cut, it sends only half: the server then closes the
// connection, because the promised length was not reached.
func write(w http.ResponseWriter, rep reply, cut bool) {
	text, contentType := rep.content()
	for name, value := range rep.header {
		w.Header().Set(name, value)
	}
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(rep.status)
	if cut {
		text = text[:len(text)/2]
	}
	_, _ = w.Write(text) // a client that has disconnected needs no answer
}
