package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// patience is how long the doctor waits for the proxy: a small listing takes hundredths of a second.
const patience = 30 * time.Second

// proxy reads one small listing, and compares clocks.
func (d *doctor) proxy(ctx context.Context) {
	p := d.cfg.Proxy
	if p == nil {
		d.say("WARN", "proxy", "there is no proxy block: plan needs --resources, and apply is refused")
		return
	}
	source, err := d.source(nil)
	if err == nil {
		listing, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
		start := d.now()
		_, err = source.List(listing, []planner.Status{planner.StatusError})
		cancel()
		d.judge("proxy", err, "%s answered within %s", source.Name(), d.now().Sub(start).Round(time.Millisecond))
	} else {
		d.say("FAIL", "proxy", "%v", err)
	}
	d.proxyToken(ctx, p)
	d.clock(ctx, "clock, proxy", p.URL)
}

// proxyToken says how long the token is good, or those that the oidc block gives.
func (d *doctor) proxyToken(ctx context.Context, p *config.Proxy) {
	token := p.Token.Reveal()
	if p.OIDC != nil {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		var err error
		if token, err = d.proxyTokens(p)(asking); err != nil {
			d.say("FAIL", "proxy token", "%v", err)
			return
		}
	}
	end, ok := tokenEnd(token)
	left := end.Sub(d.now()).Round(time.Second)
	switch {
	case !ok && p.OIDC != nil:
		d.say("PASS", "proxy token", "%s gives tokens", d.cfg.Hidden.Text(p.OIDC.TokenURL))
	case !ok:
		d.say("WARN", "proxy token", "it does not say how long it is good; the proxy's tokens usually expire: an oidc block renews them")
	case p.OIDC != nil:
		d.say("PASS", "proxy token", "%s gives tokens that are good for %s", d.cfg.Hidden.Text(p.OIDC.TokenURL), left)
	case left <= 0:
		d.say("FAIL", "proxy token", "it expired %s; get a new one, or use an oidc block", planner.Minute(end))
	case left < 48*time.Hour:
		d.say("WARN", "proxy token", "it expires %s; an oidc block renews by itself", planner.Minute(end))
	default:
		d.say("PASS", "proxy token", "good until %s", planner.Minute(end))
	}
}

// tokenEnd is when a JWT expires; false if the token is none.
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

// clock compares this node's with another's, by the Date of an answer.
func (d *doctor) clock(ctx context.Context, check, url string) {
	ctx, cancel := context.WithTimeout(ctx, canaryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return
	}
	answer, err := d.transport().RoundTrip(req)
	if err != nil {
		return // the check of the other side says so
	}
	answer.Body.Close()
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		d.say("WARN", check, "it does not say what time it is")
		return
	}
	switch off := d.now().Sub(theirs).Abs().Round(time.Second); {
	case off >= approval.MaxAhead:
		d.say("FAIL", check, "%s apart: approvals would be refused, and tokens count as expired; set up NTP", off)
	case off > 30*time.Second:
		d.say("WARN", check, "%s apart: tokens and approvals depend on it; set up NTP", off)
	default:
		d.say("PASS", check, "agrees with this node's")
	}
}

// waldur asks for an order that nobody has: a good token is answered 404, a bad one 401.
func (d *doctor) waldur(ctx context.Context) {
	if d.cfg.Waldur == nil {
		d.say("WARN", "waldur", "there is no waldur block: orders are blocked, and apply is refused")
		return
	}
	_, err := d.site().Orders().Get(ctx, d.cfg.Waldur.URL+"marketplace-orders/00000000000000000000000000000000/")
	if errors.Is(err, apply.ErrOrderGone) {
		err = nil
	}
	d.judge("waldur", err, "%s takes the token", d.cfg.Hidden.Text(d.cfg.Waldur.URL))
	d.clock(ctx, "clock, Waldur", d.cfg.Waldur.URL)
}
