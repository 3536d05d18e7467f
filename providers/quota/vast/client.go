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

var via = &planner.QuotaSource{Via: "vast"}

const (
	// maxInFlight is how many requests of a client run at the same time.
	maxInFlight = 2
	maxAnswer   = 32 << 20
	maxRefusal  = 64 << 10
	// trash is the folder in which VAST deletes everything immediately.
	trash = ".vast_trash"

	maxSpace  planner.Bytes  = 1 << 60
	maxInodes planner.Inodes = 1 << 48
)

// Options say how to reach a system.
type Options struct {
	// URL is the base of the API, such as https://vms.example.org/api/v5/.
	URL string
	// Token is an API token. Without it, the client gets tokens for User and Password, and renews
	// them.
	Token    web.Secret
	User     string
	Password web.Secret
	// CAFile has the certificates that verify the system's certificate. If empty, those of the machine
	// do.
	CAFile string
	// Tenant is the tenant's name. If empty, there must be only one tenant whose quotas are visible.
	Tenant string
	// PathPrefix is VAST's path of what is mounted as the system's directory.
	PathPrefix string
	Timeout    time.Duration
	Now        func() time.Time
	// Hidden are more secrets that no message may show, besides the credentials above.
	Hidden planner.Hidden
	// Transport replaces the transport that CAFile describes, in tests.
	Transport http.RoundTripper
}

// Client talks to one system. Its methods are safe for concurrent use.
type Client struct {
	o        Options
	base     *url.URL
	http     *http.Client
	slots    chan struct{}
	login    login
	tenantID chan uint64

	mu sync.Mutex
	// seen are the ids of the quotas in the last listing, by path.
	seen map[string]uint64
}

// New returns a client. It makes no request.
func New(o Options) (*Client, error) {
	hidden := o.Hidden.With(string(o.Token), string(o.Password))
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("url: want https, a host and a path, got %s", web.Place(hidden, o.URL))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("url: %s: must not have a user, a query or a fragment",
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
	return &Client{o: o, base: u, http: web.WithoutRedirects(o.Transport), login: newLogin(),
		slots: make(chan struct{}, maxInFlight), tenantID: make(chan uint64, 1)}, nil
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
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM format", file)
	}
	return roots, nil
}

// traits returns the abilities and bounds of VAST.
func traits() planner.Traits {
	return planner.Traits{Unit: 1, Soft: true, Grace: true, NeedsDirectory: true, Async: true,
		MaxSpace: maxSpace, MaxInodes: maxInodes}
}

// checkPath returns an error for paths that are not absolute and clean, and for paths in VAST's
// trash.
func checkPath(p string) error {
	switch {
	case !path.IsAbs(p) || path.Clean(p) != p:
		return fmt.Errorf("%.200q: want an absolute path without . or .. or a slash at its end", p)
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return fmt.Errorf("%.200q: want a path of printable UTF-8", p)
	case slices.Contains(strings.Split(p, "/"), trash):
		return fmt.Errorf("%.200q: VAST immediately deletes everything in %s", p, trash)
	}
	return nil
}

// full returns VAST's path of a directory. dir is the path below what is mounted, and begins with a
// slash.
func (c *Client) full(dir string) (string, error) {
	if err := checkPath(dir); err != nil {
		return "", err
	}
	if dir == "/" {
		return "", errors.New("the system's own directory must not have a quota")
	}
	return path.Join(c.o.PathPrefix, dir), nil
}

// reply is a complete answer.
type reply struct {
	status int
	body   []byte
	header http.Header
}

// ask makes one request with a valid token. If the token has expired, ask gets a new one and tries
// once more: a request that was refused for its token had no effect.
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

// errEcho means that an answer repeats a secret. A server that sends it back may show it elsewhere,
// too.
var errEcho = errors.New("the answer repeats our token or password, so it is not used: have that " +
	"server checked, and renew the token and the password")

// echoes reports whether an answer repeats one of our secrets.
func (c *Client) echoes(r reply, auth string) bool {
	_, token, _ := strings.Cut(auth, " ")
	repeats := func(secret string) bool { return web.Echoes(r.body, secret) }
	return slices.ContainsFunc(append(c.login.secrets(), token, string(c.o.Password)), repeats)
}

// expired reports whether another token may help. A 403 is final only if it says so.
func (r reply) expired() bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden &&
		!bytes.Contains(r.body, []byte("permission_denied"))
}

// send makes one request and reads the complete answer.
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
		err = fmt.Errorf("%s: %w", c.place(target), web.NoAnswer(ctx, err))
		return reply{}, c.hidden(auth).Error(err)
	}
	defer resp.Body.Close()
	limit := int64(maxAnswer)
	if resp.StatusCode/100 != 2 {
		limit = maxRefusal
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if resp.StatusCode/100 == 2 && err != nil {
		return reply{}, fmt.Errorf("%s: the answer is incomplete: %w", c.place(target),
			web.NoAnswer(ctx, err))
	}
	if resp.StatusCode/100 == 2 && int64(len(text)) > limit {
		return reply{}, fmt.Errorf("%s: the answer is longer than %d MiB", c.place(target),
			limit>>20)
	}
	return reply{resp.StatusCode, text, resp.Header}, nil
}

func (c *Client) request(ctx context.Context, method, target, auth string,
	body any) (*http.Request, error) {
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
		return nil, fmt.Errorf("not a valid URL: %s", c.place(target))
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

// refusal returns the error of an answer that is not 2xx, or nil.
func (c *Client) refusal(r reply, target, auth string) error {
	if r.status/100 == 2 {
		return nil
	}
	h := c.hidden(auth)
	e := &web.StatusError{Place: c.place(target), Status: r.status, Detail: web.Detail(h, r.body)}
	if c.echoes(r, auth) {
		e.Detail = "its text repeats our token or password, and is not shown"
	}
	switch {
	case r.status/100 == 3:
		e.Detail = "it redirects to " + web.Place(h, r.header.Get("Location")) +
			", and redirects are not followed"
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		e.Hint = "check the token, or user and password, and that they may read and change the " +
			"tenant's quotas"
	}
	return e
}

// hidden returns the secrets that no message may show, including the token of an authorization.
func (c *Client) hidden(auth string) planner.Hidden {
	_, token, _ := strings.Cut(auth, " ")
	return c.o.Hidden.With(append(c.login.secrets(), token)...)
}

func (c *Client) place(target string) string {
	return web.Place(c.o.Hidden, c.base.String()+target)
}

// members parses an answer that is a JSON object.
func (c *Client) members(r reply, target string) (map[string]json.RawMessage, error) {
	m, err := strictjson.Members(r.body)
	if err != nil {
		return nil, c.hidden("").Error(fmt.Errorf("%s: %w", c.place(target), err))
	}
	return m, nil
}
