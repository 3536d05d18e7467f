package waldur

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// OIDC says how to get tokens by client credentials (RFC 6749, 4.4).
type OIDC struct {
	TokenURL     string
	ClientID     string
	ClientSecret web.Secret
	// Hidden is what no message may show.
	Hidden planner.Hidden
	// Scope is one or more scopes with blanks between them; it may be empty.
	Scope string
}

// renewBefore is how long before its end a token is renewed, so that it does not end on its way. A token that lives less
// than twice as long is renewed after half its life.
const renewBefore = 30 * time.Second

// maxTokenAnswer bounds the answer of a token URL; Keycloak's have about 2 KiB.
const maxTokenAnswer = 64 << 10

// ClientCredentials gets tokens from an OpenID Connect provider, and a new one before the last one ends.
func ClientCredentials(o OIDC, rt http.RoundTripper, now func() time.Time) TokenFunc {
	s := &oidcSource{o: o, http: web.WithoutRedirects(rt), now: now}
	return s.token
}

// oidcSource keeps the last token.
type oidcSource struct {
	o    OIDC
	http *http.Client
	now  func() time.Time

	mu    sync.Mutex
	last  string
	until time.Time
}

// tokenAnswer is the answer of a token URL (RFC 6749, 5.1 and 5.2).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	// ExpiresIn is the token's life; 0: unknown, so it is used once.
	ExpiresIn   lifetime `json:"expires_in"`
	Error       string   `json:"error"`
	Description string   `json:"error_description"`
}

// longestLife bounds how long a token is believed to live.
const longestLife = 7 * 24 * time.Hour

// lifetime is a number of seconds, as providers write it: 300, 300.0 or "300". What is no such number is a life that is not
// known: the token is good all the same.
type lifetime time.Duration

// UnmarshalJSON implements [json.Unmarshaler].
func (l *lifetime) UnmarshalJSON(text []byte) error {
	*l = 0
	number := json.Number(strings.Trim(string(text), `" `))
	if _, err := json.Marshal(number); err != nil {
		return nil // null, or nothing that JSON calls a number
	}
	seconds, err := number.Float64()
	if err != nil || !(seconds > 0) {
		return nil
	}
	*l = lifetime(min(seconds, longestLife.Seconds()) * float64(time.Second))
	return nil
}

func (s *oidcSource) token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.now()
	if s.last != "" && asked.Before(s.until) {
		return s.last, nil
	}
	answer, err := s.ask(ctx)
	if err != nil {
		return "", s.hidden().Error(fmt.Errorf("get a token: %w", err))
	}
	token, err := web.CheckToken(answer.AccessToken)
	if err != nil {
		return "", fmt.Errorf("get a token from %s: %w", web.Place(s.o.Hidden, s.o.TokenURL), err)
	}
	life := time.Duration(answer.ExpiresIn)
	s.last, s.until = token, asked.Add(life-min(renewBefore, life/2))
	return token, nil
}

// ask makes one request. The credentials go into the form, not into a header: there, providers differ in how they decode
// characters that are special.
func (s *oidcSource) ask(ctx context.Context) (tokenAnswer, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.o.ClientID}, "client_secret": {string(s.o.ClientSecret)}}
	if s.o.Scope != "" {
		form.Set("scope", s.o.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("proxy.oidc.token_url: not a URL to ask: %s", web.Place(s.o.Hidden, s.o.TokenURL))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("%s: %w", web.Place(s.o.Hidden, s.o.TokenURL), web.NoAnswer(ctx, err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("%s: the answer broke off: %w", web.Place(s.o.Hidden, s.o.TokenURL), web.NoAnswer(ctx, err))
	}
	return s.read(reply{status: resp.StatusCode, header: resp.Header, body: body, hidden: s.hidden()})
}

// hidden is what no message may show, the client's secret first of all.
func (s *oidcSource) hidden() planner.Hidden { return s.o.Hidden.With(string(s.o.ClientSecret)) }

// read takes the answer apart. What it says is only repeated as far as the standard names it: never its text.
func (s *oidcSource) read(r reply) (tokenAnswer, error) {
	var a tokenAnswer
	err := json.Unmarshal(r.body, &a)
	if r.status == http.StatusOK && err == nil {
		if !strings.EqualFold(a.TokenType, "bearer") {
			return a, fmt.Errorf("%s: want a bearer token, got the type %.20q", web.Place(s.o.Hidden, s.o.TokenURL), s.hidden().With(a.AccessToken).Text(a.TokenType))
		}
		return a, nil
	}
	if r.status == http.StatusOK {
		return a, fmt.Errorf("%s: the answer is not the JSON of a token; is that the token URL?", web.Place(s.o.Hidden, s.o.TokenURL))
	}
	words := strings.Trim(a.Error+": "+a.Description, ": ")
	e := &web.StatusError{Place: web.Place(s.o.Hidden, s.o.TokenURL), Status: r.status, Detail: web.Printable(s.hidden().Text(words)), RetryAfter: r.retryAfter(s.now()),
		Hint: "check token_url, client_id and client_secret in proxy.oidc"}
	if to, ok := r.redirect(); ok {
		e.Detail = "it redirects to " + to + ", and redirects are not followed"
	}
	return tokenAnswer{}, e
}
