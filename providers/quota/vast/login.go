package vast

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/waldur/cscs-storage-sync/providers/web"
)

// login keeps the tokens for user and password.
type login struct {
	mu    *sync.Mutex
	state *tokens
}

type tokens struct{ access, refresh string }

func newLogin() login { return login{&sync.Mutex{}, &tokens{}} }

func (l login) secrets() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []string{l.state.access, l.state.refresh}
}

// drop forgets the token of an authorization that was refused, unless another request has renewed
// it in the meantime.
func (l login) drop(auth string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if auth == "Bearer "+l.state.access {
		l.state.access = ""
	}
}

// authorization returns the Authorization header of the next request.
func (c *Client) authorization(ctx context.Context) (string, error) {
	if c.o.Token != "" {
		t, err := web.CheckToken(string(c.o.Token))
		return "Api-Token " + t, err
	}
	c.login.mu.Lock()
	have := *c.login.state
	c.login.mu.Unlock()
	if have.access != "" {
		return "Bearer " + have.access, nil
	}
	got, err := c.renew(ctx, have.refresh)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	c.login.mu.Lock()
	*c.login.state = got
	c.login.mu.Unlock()
	return "Bearer " + got.access, nil
}

// renew gets new tokens with the refresh token, or else with user and password.
func (c *Client) renew(ctx context.Context, refresh string) (tokens, error) {
	if refresh != "" {
		got, err := c.tokens(ctx, "token/refresh/", map[string]string{"refresh": refresh}, refresh)
		if err == nil {
			return got, nil
		}
	}
	return c.tokens(ctx, "token/", map[string]string{"username": c.o.User,
		"password": string(c.o.Password)}, "")
}

// tokens requests tokens. If the answer has no refresh token, the current one is kept.
func (c *Client) tokens(ctx context.Context, target string, body map[string]string,
	refresh string) (tokens, error) {
	r, err := c.send(ctx, http.MethodPost, target, "", body)
	if err == nil {
		err = c.refusal(r, target, "Bearer "+refresh)
	}
	if err != nil {
		return tokens{}, err
	}
	m, err := c.members(r, target)
	if err != nil {
		return tokens{}, fmt.Errorf("%s: the answer is not the JSON of a token", c.place(target))
	}
	got := tokens{refresh: refresh}
	_ = json.Unmarshal(m["access"], &got.access)
	if m["refresh"] != nil {
		_ = json.Unmarshal(m["refresh"], &got.refresh)
	}
	if got.access, err = web.CheckToken(got.access); err != nil {
		return tokens{}, fmt.Errorf("%s: %w", c.place(target), err)
	}
	return got, nil
}
