package planner

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// maxURL is the most bytes that a callback URL may have; real ones have about 120.
const maxURL = 2048

// UUID reads a UUID as the proxy (dashed) and Waldur (undashed) write it. It returns 32 lower-case
// hex digits without dashes.
func UUID[T string | []byte](s T) (string, bool) {
	var room [32]byte
	id, ok := AppendUUID(room[:0], s)
	return string(id), ok
}

// AppendUUID appends what [UUID] returns.
func AppendUUID[T string | []byte](to []byte, s T) ([]byte, bool) {
	var id [32]byte
	switch {
	case len(s) == 32:
		copy(id[:], s)
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		copy(id[:], s[:8])
		copy(id[8:], s[9:13])
		copy(id[12:], s[14:18])
		copy(id[16:], s[19:23])
		copy(id[20:], s[24:])
	default:
		return to, false
	}
	for i := range id {
		if id[i] = lowerHex[id[i]]; id[i] == 0 {
			return to, false
		}
	}
	return append(to, id[:]...), true
}

// lowerHex has the lower-case form of each hex digit, and 0 for every other byte.
var lowerHex = [256]byte{
	'0': '0', '1': '1', '2': '2', '3': '3', '4': '4', '5': '5', '6': '6', '7': '7', '8': '8', '9': '9',
	'a': 'a', 'b': 'b', 'c': 'c', 'd': 'd', 'e': 'e', 'f': 'f',
	'A': 'a', 'B': 'b', 'C': 'c', 'D': 'd', 'E': 'e', 'F': 'f',
}

// callbackURL checks a URL that the proxy gave and rewrites it to waldur.url. The URL must be below
// waldur.url or one of its aliases, in scheme, host, port and clean path: the token goes there, and
// the proxy's JSON must not choose where that is. The error says what does not match.
func callbackURL(w WaldurSettings, raw string) (string, error) {
	target, err := callbackTarget(w, raw)
	return target, w.Hidden.Error(err)
}

func callbackTarget(w WaldurSettings, raw string) (string, error) {
	if w.URL == "" {
		return "", fmt.Errorf(
			"callback %s: the configuration has no waldur block, so nothing may be called; "+
				"add one with url and token", shortURL(w.Hidden, raw))
	}
	u, err := parseTarget(raw)
	if err != nil {
		return "", fmt.Errorf("callback %s: %w", shortURL(w.Hidden, raw), err)
	}
	var first error
	for _, base := range append([]string{w.URL}, w.Aliases...) {
		rest, err := below(base, u)
		if err == nil {
			return strings.TrimRight(w.URL, "/") + "/" + rest, nil
		}
		if first == nil {
			first = err
		}
	}
	way := "if it is the same Waldur, add that to waldur.aliases"
	if len(w.Aliases) > 0 {
		way = "nor does an alias match; " + way
	}
	return "", fmt.Errorf("callback %s: %w; %s", shortURL(w.Hidden, raw), first, way)
}

// parseTarget parses a URL that has only a scheme, host, port and a clean path of plain characters.
func parseTarget(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	if i := strings.IndexFunc(raw,
		func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`%\?#"<>;`, r) }); i >= 0 {
		return nil, fmt.Errorf(
			"it contains %.1q; encoded paths, queries and fragments are refused", raw[i:])
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Opaque != "":
		return nil, fmt.Errorf("want http or https, and a host")
	case u.User != nil:
		return nil, fmt.Errorf("it contains a user name")
	case u.Path == "" || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/"):
		return nil, fmt.Errorf("its path is not clean")
	}
	return u, nil
}

// below returns the part of u's path below base. The error names the first part that differs.
func below(base string, u *url.URL) (string, error) {
	b, err := url.Parse(base)
	if err != nil || b.Host == "" {
		return "", fmt.Errorf("waldur.url or an alias is not a URL")
	}
	prefix := strings.TrimRight(b.Path, "/") + "/"
	switch {
	case u.Scheme != b.Scheme:
		return "", fmt.Errorf("its scheme is %s, and that of waldur.url is %s", u.Scheme, b.Scheme)
	case !strings.EqualFold(u.Hostname(), b.Hostname()):
		return "", fmt.Errorf("its host is %s, and that of waldur.url is %s", u.Hostname(), b.Hostname())
	case port(u) != port(b):
		return "", fmt.Errorf("its port is %s, and that of waldur.url is %s", port(u), port(b))
	case !strings.HasPrefix(u.Path, prefix) || len(u.Path) == len(prefix):
		return "", fmt.Errorf("its path is not below %s", prefix)
	}
	return u.Path[len(prefix):], nil
}

// port returns the URL's port, or the default of its scheme.
func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// shortURL formats a URL from outside: shortened, escaped, and without user, query and fragment.
func shortURL(h Hidden, raw string) string {
	raw = h.Text(raw)
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		u.User = nil
		raw = u.String()
	} else if err != nil && strings.Contains(raw, "@") {
		raw = "(unreadable)"
	}
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i+1] + "…" // what follows may be a secret
	}
	return fmt.Sprintf("%.120q", raw)
}
