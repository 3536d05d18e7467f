package waldursim

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Account is the account to which a token belongs.
type Account string

// The accounts to which a token may belong. The proxy knows the first two, and Waldur all but
// Valid.
const (
	Valid    Account = "valid"    // the proxy takes it
	Expired  Account = "expired"  // 401
	Provider Account = "provider" // may do everything in Waldur
	Denied   Account = "denied"   // sees objects, may do nothing: 403
	Hidden   Account = "hidden"   // sees nothing: 404
	Inactive Account = "inactive" // 401
	Unknown  Account = "unknown"  // takes a token away
)

// tokenPath is the token endpoint of a Keycloak with a realm named sim.
const tokenPath = "/realms/sim/protocol/openid-connect/token"

// proxyTokenLeeway is how long the proxy accepts a token after its end. It is part of the lifetime
// that the simulator promises, not added to it.
const proxyTokenLeeway = 60 * time.Second

// proxyTokens are the bearer tokens that the proxy knows, and when they expire.
type proxyTokens struct {
	ends   map[string]time.Time // zero: never
	issued int
}

func (t *proxyTokens) set(token string, a Account, now time.Time) error {
	switch a {
	case Valid:
		t.ends[token] = time.Time{}
	case Expired:
		t.ends[token] = now
	case Unknown:
		delete(t.ends, token)
	default:
		return fmt.Errorf("set proxy token: account %q: want valid, expired or unknown", a)
	}
	return nil
}

// issue creates a token in the form of a JWT, which contains nothing of value.
func (t *proxyTokens) issue(now time.Time, life time.Duration) string {
	t.issued++
	part := base64.RawURLEncoding.EncodeToString
	payload := fmt.Sprintf(`{"iss":"waldur-sim","jti":%d,"exp":%d}`, t.issued, now.Add(life).Unix())
	token := part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part([]byte(payload)) + "." +
		part([]byte(nameUUID(payload)))
	t.ends[token] = now.Add(life)
	return token
}

// check is the proxy's check of a request's token. It returns nil if the request may pass.
func (t *proxyTokens) check(r *http.Request, now time.Time) *reply {
	refuse := func(text string) *reply {
		rep := detail(http.StatusUnauthorized, text)
		return &rep
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return refuse("Your request is missing an 'Authorization' HTTP header")
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refuse("Unable to verify provided access token")
	}
	end, known := t.ends[token]
	switch {
	case known && (end.IsZero() || now.Before(end)):
		return nil
	case known:
		return refuse(fmt.Sprintf("Error while validating access token: Expired at %d, time: "+
			"%d(leeway: %d)",
			end.Add(-proxyTokenLeeway).Unix(), now.Unix(), int(proxyTokenLeeway.Seconds())))
	case strings.Count(token, ".") == 2:
		return refuse(`Error while validating access token: Verification failed for all signatures["Failed: [InvalidJWSSignature('Verification failed')]"]`)
	}
	return refuse("An error occurred: ValueError")
}

// waldurAccount returns the account that makes a request to Waldur, or a refusal.
func (s *Server) waldurAccount(r *http.Request) (Account, *reply) {
	refuse := func(text string) (Account, *reply) {
		rep := detail(http.StatusUnauthorized, text)
		rep.header = map[string]string{"WWW-Authenticate": "Token"}
		return "", &rep
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Token") {
		if token = r.URL.Query().Get("x-auth-token"); token == "" {
			return refuse("Authentication credentials were not provided.")
		}
	}
	switch account := s.waldurTokens[strings.TrimSpace(token)]; account {
	case "":
		return refuse("Invalid token.")
	case Expired:
		return refuse("Token has expired.")
	case Inactive:
		return refuse("User inactive or deleted.")
	default:
		return account, nil
	}
}

// SetToken makes a token known to the service "proxy" or "waldur", or removes it.
func (s *Server) SetToken(service, token string, a Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case service == "proxy":
		return s.proxyTokens.set(token, a, s.opts.Now())
	case service != "waldur":
		return fmt.Errorf("set token: service %q: want proxy or waldur", service)
	case a == Unknown:
		delete(s.waldurTokens, token)
		return nil
	}
	switch a {
	case Provider, Denied, Hidden, Expired, Inactive:
		s.waldurTokens[token] = a
		return nil
	}
	return fmt.Errorf("set waldur token: account %q: want provider, denied, hidden, expired, "+
		"inactive or unknown", a)
}

// token answers the OIDC token endpoint. It supports only client credentials, in the form or with
// basic authentication.
func (s *Server) token(r *http.Request, body []byte) reply {
	refuse := func(status int, code, text string) reply {
		return reply{status: status, body: map[string]any{"error": code, "error_description": text}}
	}
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "RESTEASY003650",
			"No resource method found for "+r.Method)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "The form cannot be read")
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		id, secret = unescaped(user), unescaped(password)
	}
	if form.Get("grant_type") != "client_credentials" {
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type")
	}
	if id != s.opts.ClientID || subtle.ConstantTimeCompare([]byte(secret),
		[]byte(s.opts.ClientSecret)) != 1 {
		return refuse(http.StatusUnauthorized, "unauthorized_client", "Invalid client or Invalid "+
			"client credentials")
	}
	return reply{status: http.StatusOK, header: map[string]string{"Cache-Control": "no-store"},
		body: map[string]any{
			"access_token": s.proxyTokens.issue(s.opts.Now(), s.opts.TokenLifetime), "token_type": "Bearer",
			"expires_in": int(s.opts.TokenLifetime.Seconds()), "refresh_expires_in": 0, "not-before-policy": 0, "scope": form.Get("scope"),
		}}
}

// unescaped decodes the form encoding that RFC 6749 requires for basic credentials.
func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
