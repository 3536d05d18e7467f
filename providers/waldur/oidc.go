package waldur

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// OIDC says how to get tokens with client credentials (RFC 6749, 4.4).
type OIDC struct {
	TokenURL     string
	ClientID     string
	ClientSecret web.Secret
	// Hidden are secrets that no message may show.
	Hidden planner.Hidden
	// Scope is a list of scopes separated by blanks; it may be empty.
	Scope string
}

// renewBefore is how long before its end a token is renewed, so that it does not expire during a
// request. A token that lives less than twice as long is renewed after half its life.
const renewBefore = 30 * time.Second

// maxTokenAnswer is how many bytes of a token URL's answer are read; Keycloak's have about 2 KiB.
const maxTokenAnswer = 64 << 10

// ClientCredentials returns a function that gets tokens from an OpenID Connect provider, and gets a
// new one before the last one expires.
func ClientCredentials(o OIDC, rt http.RoundTripper, now func() time.Time) TokenFunc {
	s := &oidcSource{
		// The credentials go into the form, not into a header, because providers decode special
		// characters in the header in different ways.
		config: clientcredentials.Config{TokenURL: o.TokenURL, ClientID: o.ClientID,
			ClientSecret: string(o.ClientSecret), Scopes: strings.Fields(o.Scope),
			AuthStyle: oauth2.AuthStyleInParams},
		http:   web.WithoutRedirects(tokenTransport{rt}),
		now:    now,
		place:  web.Place(o.Hidden, o.TokenURL),
		hidden: o.Hidden.With(string(o.ClientSecret)),
	}
	return s.token
}

// oidcSource keeps the last token.
type oidcSource struct {
	config clientcredentials.Config
	http   *http.Client
	now    func() time.Time
	place  string
	// hidden are secrets that no message may show, including the client's.
	hidden planner.Hidden

	mu    sync.Mutex
	last  string
	until time.Time
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
		return "", s.hidden.Error(fmt.Errorf("get a token: %w", err))
	}
	token, err := web.CheckToken(answer.AccessToken)
	if err != nil {
		return "", fmt.Errorf("get a token from %s: %w", s.place, err)
	}
	seconds, _ := answer.Extra("expires_in").(float64)
	lives := time.Duration(seconds) * time.Second
	s.last, s.until = token, asked.Add(lives-min(renewBefore, lives/2))
	return token, nil
}

// ask makes one request. Its errors repeat only what the standard defines of the answer, never the
// text, which is part of the library's errors.
func (s *oidcSource) ask(ctx context.Context) (*oauth2.Token, error) {
	answer, err := s.config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.http))
	var refused *oauth2.RetrieveError
	var unanswered *url.Error
	switch {
	case errors.As(err, &refused):
		return nil, s.refusal(refused)
	case errors.As(err, &unanswered) && unanswered.Op == "parse":
		return nil, fmt.Errorf("proxy.oidc.token_url: not a valid URL: %s", s.place)
	case errors.As(err, &unanswered):
		return nil, fmt.Errorf("%s: %w", s.place, web.NoAnswer(ctx, err))
	case err != nil:
		return nil, fmt.Errorf("%s: the answer is not the JSON of a token: check that this is the "+
			"token URL",
			s.place)
	case !strings.EqualFold(answer.TokenType, "bearer"):
		return nil, fmt.Errorf("%s: want a bearer token, got the type %.20q", s.place,
			s.hidden.With(answer.AccessToken).Text(answer.TokenType))
	}
	return answer, nil
}

// refusal returns the error of an answer that has no token.
func (s *oidcSource) refusal(e *oauth2.RetrieveError) error {
	r := reply{status: e.Response.StatusCode, header: e.Response.Header, hidden: s.hidden}
	words := strings.Trim(e.ErrorCode+": "+e.ErrorDescription, ": ")
	refused := &web.StatusError{Place: s.place, Status: r.status,
		Detail: web.Printable(s.hidden.Text(words)), RetryAfter: r.retryAfter(s.now()),
		Hint: "check token_url, client_id and client_secret in proxy.oidc"}
	if to, ok := r.redirectTarget(); ok {
		refused.Detail = "it redirects to " + to + ", and redirects are not followed"
	}
	return refused
}

// tokenTransport changes a provider's answer into the form that the library reads: JSON, whatever
// the header says (the library takes text/plain for a form), of limited length, and with a lifetime
// that is a number of seconds.
type tokenTransport struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer ended early: %w", err)
	}
	resp.Header.Set("Content-Type", "application/json")
	resp.Body = io.NopCloser(bytes.NewReader(withLife(body)))
	return resp, nil
}

// longestLife is the longest lifetime of a token that is believed.
const longestLife = 7 * 24 * time.Hour

// withLife returns the answer with expires_in as a whole number, whatever the provider wrote.
func withLife(answer []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(answer, &members) != nil || members == nil {
		return answer
	}
	members["expires_in"] = strconv.AppendInt(nil, int64(life(members["expires_in"])/time.Second), 10)
	if plain, err := json.Marshal(members); err == nil {
		return plain
	}
	return answer
}

// life parses a number of seconds, as providers write it: 300, 300.0 or "300". For anything else it
// returns 0, which means unknown: the token is valid all the same, and is used once.
func life(text json.RawMessage) time.Duration {
	number := json.Number(strings.Trim(string(text), `" `))
	if _, err := json.Marshal(number); err != nil {
		return 0 // null, or not a JSON number
	}
	seconds, err := number.Float64()
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, longestLife.Seconds()) * float64(time.Second))
}
