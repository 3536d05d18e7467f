package approval

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// listing makes random allowed_signers files, from valid parts and from parts that are nearly
// valid.
type listing struct{ *rand.Rand }

func (l listing) one(of ...string) string { return of[l.IntN(len(of))] }

func (l listing) principals() string {
	var names []string
	for range 1 + l.IntN(3) {
		names = append(names, l.one("", "", "", "!")+l.one("anna@example.com", "ben@example.com",
			"*", "*@example.com", "anna@*", "a*a@example.c?m", "????@example.com",
			"Anna@example.com", ""))
	}
	s := strings.Join(names, ",")
	if l.IntN(8) == 0 {
		s = `"` + s + l.one(`"`, `"`, "")
	}
	return s
}

func (l listing) time() string {
	date := l.one("20261121", "20261122", "20261123", "19700101", "20991231", "2026112", "20261322")
	return date + l.one("", "2140", "2141", "214002", "214003", "214004", "2400") + l.one("", "Z",
		"z", "UTC", "utc", " Z")
}

func (l listing) option() string {
	switch l.IntN(6) {
	case 0:
		return l.one("cert-authority", "CERT-AUTHORITY", "no-such-option", "cert-authority=yes")
	case 1, 2:
		return l.one("namespaces", "Namespaces") + `="` + l.one("cscs-sync-plan", "file", "*",
			"cscs-sync-*,!file", "!cscs-sync-plan,*", "file,cscs-sync-plan", "") + l.one(`"`, `"`,
			`"`, "")
	case 3, 4:
		return l.one("valid-after", "VALID-after") + `="` + l.time() + `"`
	}
	return l.one("valid-before", "valid-Before") + `="` + l.time() + `"`
}

func (l listing) line(keys ...string) string {
	var options []string
	for range l.IntN(3) {
		options = append(options, l.option())
	}
	words := []string{l.principals()}
	if len(options) > 0 {
		words = append(words, strings.Join(options, l.one(",", ",", ", ")))
	}
	return strings.Join(append(words, l.one(keys...)), l.one(" ", " ", "\t")) + l.one("", "",
		" a comment", "\r")
}

// TestRandomSignersAsStockTool expects the stock tool's verdict on random lists. Every name that is
// offered for a key must be one that the stock tool accepts and finds by itself.
func TestRandomSignersAsStockTool(t *testing.T) {
	tries := 100
	if os.Getenv("CSCS_TEST_LONG") != "" {
		tries = 5000
	}
	k := newKeygen(t)
	key, other := k.key("key", "-t", "ed25519"), k.key("other", "-t", "ed25519")
	a := k.stockSign(testMessage(), "key")
	l, allowedSome := listing{rand.New(rand.NewPCG(7, 11))}, 0
	for range tries {
		var lines []string
		for range 1 + l.IntN(3) {
			lines = append(lines, l.line(key, key, other))
		}
		allowed := strings.Join(lines, "\n") + "\n"
		out, stock := k.verify(a, allowed)
		if err := ours(t, a, allowed); (err == nil) != (stock == nil) {
			t.Errorf("here: %v\nssh-keygen: %v %s\n%s", err, stock, out, allowed)
		}
		if stock == nil {
			allowedSome++
		}
		found, err := k.try(nil, "-Y", "find-principals", "-f", "allowed", "-s", "sig",
			"-Overify-time=20261122214003Z")
		for _, name := range parseSigners(t, allowed).Names(k.public("key.pub"), testTime) {
			if err != nil {
				t.Errorf("offers %q, and ssh-keygen finds nobody: %s\n%s", name, found, allowed)
			}
			b := a
			b.Message.Name = name
			if out, err := k.verify(k.stockSign(b.Message, "key"), allowed); err != nil {
				t.Errorf("offers %q, which ssh-keygen does not take: %s\n%s", name, out, allowed)
			}
		}
	}
	if allowedSome < tries/20 || allowedSome > tries*19/20 {
		t.Error(fmt.Sprint("of ", tries, " lists ", allowedSome, " allow it: they try too little"))
	}
}
