package vast

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/strictjson"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

const (
	via = "vast"
	// maxInFlight is how many requests of a client run at the same time.
	maxInFlight = 2
	maxAnswer   = 32 << 20
	maxRefusal  = 64 << 10
	// trash is where VAST deletes at once.
	trash = ".vast_trash"

	maxSpace  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48
)

// Options say how a system is reached.
type Options struct {
	// URL is the base of the API, as https://vms.example.org/api/v5/.
	URL string
	// Token is an API token. Without one, User and Password get tokens that are renewed.
	Token    web.Secret
	User     string
	Password web.Secret
	// CAFile holds the certificates that the system's own is checked against; empty: the machine's.
	CAFile string
	// Tenant is the tenant's name; empty: the only one whose quotas are seen.
	Tenant string
	// PathPrefix is the path, as VAST has it, of what is mounted as the system's directory.
	PathPrefix string
	Timeout    time.Duration
	Now        func() time.Time
	// Hidden is what no message may show, besides the secrets above.
	Hidden planner.Hidden
	// Transport replaces the one that CAFile describes, in tests.
	Transport http.RoundTripper
}

// Client speaks to one system. Its methods may be called at the same time.
type Client struct {
	o        Options
	base     *url.URL
	http     *http.Client
	slots    chan struct{}
	login    login
	tenantID chan uint64

	mu sync.Mutex
	// seen are the ids of the quotas of the last listing, by path.
	seen map[string]uint64
}

// New returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	hidden := o.Hidden.With(string(o.Token), string(o.Password))
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("url: want https, a host and a path, got %s", web.Place(hidden,
			o.URL))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("url: %s: a user, a query or a fragment does not belong there",
			web.Place(hidden, o.URL))
	}
	if (o.Token == "") == (o.User == "" || o.Password == "") {
		return nil, errors.New("set either token, or user and password")
	}
	if o.PathPrefix == "" {
		o.PathPrefix = "/"
	}
	if err := checkPath(o.PathPrefix); err != nil {
		return nil, fmt.Errorf("path_prefix: %w", err)
	}
	if o.Transport == nil {
		roots, err := readRoots(o.CAFile)
		if err != nil {
			return nil, err
		}
		o.Transport = web.NewTransport(http.ProxyFromEnvironment, roots)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Hidden = hidden
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return &Client{o: o, base: u, http: web.WithoutRedirects(o.Transport),
		slots: make(chan struct{}, maxInFlight),
		login: newLogin(), tenantID: make(chan uint64, 1)}, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", file)
	}
	return roots, nil
}

// Traits are what VAST can do.
func Traits() planner.Traits {
	return planner.Traits{Unit: 1, Soft: true, Grace: true, NeedsDirectory: true, Async: true,
		MaxSpace: maxSpace, MaxInodes: maxInodes}
}

// checkPath refuses paths that are not absolute and clean, and those in VAST's trash.
func checkPath(p string) error {
	switch {
	case !path.IsAbs(p) || path.Clean(p) != p:
		return fmt.Errorf("%.200q: want an absolute path without . or .. or a slash at its end", p)
	case strings.ContainsFunc(p, func(r rune) bool {
		return r < ' ' || r == 0x7f ||
			r == '\uFFFD'
	}):
		return fmt.Errorf("%.200q: want a path of printable UTF-8", p)
	case slices.Contains(strings.Split(p, "/"), trash):
		return fmt.Errorf("%.200q: VAST deletes what is in %s at once", p, trash)
	}
	return nil
}

// full is the path of a directory as VAST has it. dir is below what is mounted, and begins with a
// slash.
func (c *Client) full(dir string) (string, error) {
	if err := checkPath(dir); err != nil {
		return "", err
	}
	if dir == "/" {
		return "", errors.New("the system's own directory gets no quota")
	}
	return path.Join(c.o.PathPrefix, dir), nil
}

// reply is an answer that came whole.
type reply struct {
	status int
	body   []byte
	header http.Header
}

// ask makes one request with a good token. A token that has expired is renewed once; a request that
// was refused for its token had no effect.
func (c *Client) ask(ctx context.Context, method, target string, body any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	for again := false; ; again = true {
		auth, err := c.authorization(ctx)
		if err != nil {
			return reply{}, err
		}
		r, err := c.send(ctx, method, target, auth, body)
		if err != nil {
			return reply{}, err
		}
		if !again && c.o.Token == "" && r.expired() {
			c.login.drop(auth)
			continue
		}
		if err := c.refusal(r, target, auth); err != nil {
			return r, err
		}
		if c.echoes(r, auth) {
			return reply{}, fmt.Errorf("%s: %w", c.place(target), errEcho)
		}
		return r, nil
	}
}

// errEcho reports an answer that repeats a secret: what sends it back may show it elsewhere too.
var errEcho = errors.New("the answer repeats our token or password: nothing of it is used. Have that server checked, and renew them")

// echoes reports whether an answer repeats a secret of ours.
func (c *Client) echoes(r reply, auth string) bool {
	_, token, _ := strings.Cut(auth, " ")
	repeats := func(secret string) bool { return web.Echoes(r.body, secret) }
	return slices.ContainsFunc(append(c.login.secrets(), token, string(c.o.Password)), repeats)
}

// expired reports whether another token may help: 403 is final only if it says so.
func (r reply) expired() bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden &&
		!bytes.Contains(r.body, []byte("permission_denied"))
}

// send makes one request, and reads its answer whole.
func (c *Client) send(ctx context.Context, method, target, auth string, body any) (reply, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return reply{}, web.NoAnswer(ctx, ctx.Err())
	}
	defer func() { <-c.slots }()
	req, err := c.request(ctx, method, target, auth, body)
	if err != nil {
		return reply{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, c.hidden(auth).Error(fmt.Errorf("%s: %w", c.place(target), web.NoAnswer(ctx,
			err)))
	}
	defer resp.Body.Close()
	limit := int64(maxAnswer)
	if resp.StatusCode/100 != 2 {
		limit = maxRefusal
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if resp.StatusCode/100 == 2 && err != nil {
		return reply{}, fmt.Errorf("%s: the answer broke off: %w", c.place(target),
			web.NoAnswer(ctx, err))
	}
	if resp.StatusCode/100 == 2 && int64(len(text)) > limit {
		return reply{}, fmt.Errorf("%s: the answer is longer than %d MiB", c.place(target),
			limit>>20)
	}
	return reply{resp.StatusCode, text, resp.Header}, nil
}

func (c *Client) request(ctx context.Context, method, target, auth string, body any) (*http.Request,
	error) {
	var from io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		from = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+target, from)
	if err != nil {
		return nil, fmt.Errorf("not a URL to ask: %s", c.place(target))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "cscs-sync")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	if c.o.Tenant != "" {
		req.Header.Set("X-Tenant-Name", c.o.Tenant)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// refusal is the error of an answer that is no 2xx.
func (c *Client) refusal(r reply, target, auth string) error {
	if r.status/100 == 2 {
		return nil
	}
	h := c.hidden(auth)
	e := &web.StatusError{Place: c.place(target), Status: r.status, Detail: web.Detail(h, r.body)}
	if c.echoes(r, auth) {
		e.Detail = "its words repeat our token or password, and are not shown"
	}
	switch {
	case r.status/100 == 3:
		e.Detail = "it redirects to " + web.Place(h,
			r.header.Get("Location")) + ", and redirects are not followed"
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		e.Hint = "check the token, or user and password, and that they may read and change quotas of the tenant"
	}
	return e
}

// hidden is what no message may show: of an authorization, its token too.
func (c *Client) hidden(auth string) planner.Hidden {
	_, token, _ := strings.Cut(auth, " ")
	return c.o.Hidden.With(append(c.login.secrets(), token)...)
}

func (c *Client) place(target string) string {
	return web.Place(c.o.Hidden, c.base.String()+target)
}

// members reads an answer that is an object.
func (c *Client) members(r reply, target string) (map[string]json.RawMessage, error) {
	m, err := strictjson.Members(r.body)
	if err != nil {
		return nil, c.hidden("").Error(fmt.Errorf("%s: %w", c.place(target), err))
	}
	return m, nil
}
