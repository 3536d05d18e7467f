package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The collections of Waldur's API for callbacks, and the parts of their URLs.
const (
	orderCollection    = "marketplace-orders"
	resourceCollection = "marketplace-provider-resources"
)

// verb returns the last part of a callback's URL; empty for an unknown callback.
func (c Callback) verb() string {
	switch c {
	case Approve:
		return "approve_by_provider"
	case Reject:
		return "reject_by_provider"
	case SetStateDone, SetStateErred, SetBackendID, SetStateOK:
		return string(c)
	case UpdateOptions:
		return "update_options_direct"
	}
	return ""
}

// About says what the callbacks of a resource may be about: its order and itself. Both are ids as
// [UUID] returns them.
type About struct{ Order, Resource string }

// Target checks the URL of a callback and rewrites it to waldur.url. Whoever writes the proxy's
// JSON or an outbox must choose neither where the token goes nor what is done there. So below
// waldur.url or an alias each callback has exactly one form, COLLECTION/ID/VERB/, with the id of
// this order or this resource, with or without dashes.
func (s About) Target(w WaldurSettings, c Callback, raw string) (string, error) {
	target, err := callbackURL(w, raw)
	if err != nil {
		return "", err
	}
	collection, what, id := resourceCollection, "resource", s.Resource
	if c.AboutOrder() {
		collection, what, id = orderCollection, "order", s.Order
	}
	form := collection + "/" + id + "/" + c.verb() + "/"
	parts := strings.Split(strings.TrimPrefix(target, strings.TrimRight(w.URL, "/")+"/"), "/")
	if len(parts) == 4 && parts[0] == collection && parts[2] == c.verb() && c.verb() != "" &&
		parts[3] == "" {
		got, ok := UUID(parts[1])
		if ok && got == id {
			return target, nil
		}
		if ok {
			return "", fmt.Errorf(
				"%s URL %s belongs to another %s; the only URL allowed is %s below waldur.url", c,
				shortURL(w.Hidden, raw), what, form)
		}
	}
	return "", fmt.Errorf("%s URL %s: the only URL allowed is %s below waldur.url", c,
		shortURL(w.Hidden, raw), form)
}

// Owns checks that Waldur's answer about an order is about this order of this resource. The error
// says what differs.
func (s About) Owns(o *Order) error {
	switch {
	case o.ID != s.Order:
		return fmt.Errorf("the answer is about order %s, not %s", o.ID, s.Order)
	case o.Resource != "" && o.Resource != s.Resource:
		return fmt.Errorf("in Waldur, order %s belongs to resource %s, not to %s", ShortID(o.ID),
			o.Resource, s.Resource)
	}
	return nil
}

// OrderOf splits a callback URL …/marketplace-orders/{uuid}/{action}/ into the order's id without
// dashes and the URL that answers a GET for the order. ok is false if the URL is not about an
// order.
func OrderOf(callback string) (id, order string, ok bool) {
	return partsOf(orderCollection, callback)
}

// ResourceOf splits a callback URL …/marketplace-provider-resources/{uuid}/{action}/ as [OrderOf]
// does.
func ResourceOf(callback string) (id, resource string, ok bool) {
	return partsOf(resourceCollection, callback)
}

func partsOf(collection, callback string) (id, object string, ok bool) {
	rest, ok := strings.CutSuffix(callback, "/")
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 || !isAction(rest[i+1:]) {
		return "", "", false
	}
	object, head := rest[:i+1], rest[:i]
	j := strings.LastIndexByte(head, '/')
	if j < 0 || !strings.HasSuffix(head[:j], "/"+collection) {
		return "", "", false
	}
	if id, ok = UUID(head[j+1:]); !ok {
		return "", "", false
	}
	return id, object, true
}

// keptScheme begins a URL in the form in which it is kept.
const keptScheme = "waldur://"

// KeptURL returns the form in which the URL of an order, or of a callback as [About.Target] returns
// it, is kept: waldur://MARK/COLLECTION/…, without waldur.url, whose path may be a secret. It is
// empty for any other URL. The mark shows whether waldur.url is still the same. It has 16 bits, too
// few to reveal what it was made from.
func KeptURL(target string) string {
	if strings.HasPrefix(target, keptScheme) {
		return target
	}
	for _, collection := range []string{orderCollection, resourceCollection} {
		if i := strings.LastIndex(target, "/"+collection+"/"); i >= 0 {
			return keptScheme + markOf(target[:i]) + target[i:]
		}
	}
	return ""
}

// markOf returns the mark of waldur.url.
func markOf(waldur string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(waldur, "/")))
	return hex.EncodeToString(sum[:2])
}

// WholeURL returns the whole URL of a kept one, below waldur.url. It refuses a URL that was kept
// with another waldur.url, because an order that is unknown there would look like one that is gone.
// It returns a whole URL unchanged.
func WholeURL(waldur, target string) (string, error) {
	kept, ok := strings.CutPrefix(target, keptScheme)
	if !ok {
		return target, nil
	}
	mark, path, _ := strings.Cut(kept, "/")
	if mark != markOf(waldur) {
		return "", fmt.Errorf("%s was for another waldur.url: set that URL again, or drop the callback",
			path)
	}
	return strings.TrimRight(waldur, "/") + "/" + path, nil
}

// isAction reports whether s is the last part of a callback URL: lower-case words joined by
// underscores.
func isAction(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}
