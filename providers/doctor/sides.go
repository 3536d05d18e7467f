package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// proxy reads one small listing, checks the token and compares clocks.
func (e *examination) proxy(ctx context.Context) {
	p := e.in.Config.Proxy
	if p == nil {
		e.warn("proxy", "there is no proxy block: plan needs --resources, and apply is refused")
		return
	}
	source, err := e.in.Site.Source(nil)
	if err == nil {
		late := fmt.Errorf("no answer within %s", e.in.Patience)
		listing, cancel := context.WithTimeoutCause(ctx, e.in.Patience, late)
		start := e.in.Now()
		_, err = source.List(listing, []planner.Status{planner.StatusError})
		cancel()
		took := e.in.Now().Sub(start).Round(time.Millisecond)
		e.passOrFail("proxy", err, "%s answered within %s", source.Name(), took)
	} else {
		e.fail("proxy", "%v", err)
	}
	e.proxyToken(ctx, p)
	e.clock(ctx, "clock, proxy", p.URL)
}

// proxyToken checks how long the token is valid, or that the oidc block yields a token.
func (e *examination) proxyToken(ctx context.Context, p *config.Proxy) {
	token := p.Token.Reveal()
	if p.OIDC != nil {
		asking, cancel := context.WithTimeout(ctx, e.in.Patience)
		defer cancel()
		var err error
		if token, err = e.in.Site.ProxyTokens(p)(asking); err != nil {
			e.fail("proxy token", "%v", err)
			return
		}
	}
	end, ok := tokenEnd(token)
	left := end.Sub(e.in.Now()).Round(time.Second)
	switch {
	case !ok && p.OIDC != nil:
		e.pass("proxy token", "%s issues tokens", e.in.Config.Hidden.Text(p.OIDC.TokenURL))
	case !ok:
		e.warn("proxy token", "it does not say when it expires; the proxy's tokens usually do: use an "+
			"oidc block, which renews them")
	case p.OIDC != nil:
		e.pass("proxy token", "%s issues tokens that are valid for %s",
			e.in.Config.Hidden.Text(p.OIDC.TokenURL), left)
	case left <= 0:
		e.fail("proxy token", "it expired %s; get a new one, or use an oidc block", planner.Minute(end))
	case left < 48*time.Hour:
		e.warn("proxy token", "it expires %s; an oidc block renews it automatically", planner.Minute(end))
	default:
		e.pass("proxy token", "valid until %s", planner.Minute(end))
	}
}

// tokenEnd returns when a JWT expires, or false if the token is not a JWT or has no expiry.
func tokenEnd(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.Exp == 0 {
		return time.Time{}, false
	}
	return time.Unix(claims.Exp, 0), true
}

// clock compares this node's clock with a server's, by the Date header of an answer.
func (e *examination) clock(ctx context.Context, check, url string) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return
	}
	answer, err := e.in.Transport.RoundTrip(req)
	if err != nil {
		return // the check of the other side reports it
	}
	answer.Body.Close()
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		e.warn(check, "its answer has no valid Date header, so the clocks cannot be compared")
		return
	}
	switch off := e.in.Now().Sub(theirs).Abs().Round(time.Second); {
	case off >= approval.MaxAhead:
		e.fail(check, "the clocks are %s apart: approvals are refused, and tokens count as expired; "+
			"set up NTP", off)
	case off > 30*time.Second:
		e.warn(check, "the clocks are %s apart: tokens and approvals depend on them; set up NTP", off)
	default:
		e.pass(check, "agrees with this node's clock")
	}
}

// waldur asks for an order that does not exist: Waldur answers 404 to a valid token, and 401 to any
// other.
func (e *examination) waldur(ctx context.Context) {
	if e.in.Config.Waldur == nil {
		e.warn("waldur", "there is no waldur block: orders are blocked, and apply is refused")
		return
	}
	nobodys := e.in.Config.Waldur.URL + "marketplace-orders/00000000000000000000000000000000/"
	_, err := e.in.Site.Orders().Get(ctx, nobodys)
	if errors.Is(err, apply.ErrOrderGone) {
		err = nil
	}
	e.passOrFail("waldur", err, "%s accepts the token", e.in.Config.Hidden.Text(e.in.Config.Waldur.URL))
	e.clock(ctx, "clock, Waldur", e.in.Config.Waldur.URL)
}
