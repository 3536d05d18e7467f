package approval

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

func testKey(t testing.TB) LocalKey {
	t.Helper()
	k, err := NewLocalKey(bytes.Repeat([]byte("k3y!"), 8))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustBlock(t testing.TB, a Approval, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Block()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLocalKeyIsNeverShown(t *testing.T) {
	k := testKey(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{k, &k, []LocalKey{k}, struct{ K LocalKey }{k}} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, "k3y!") || strings.Contains(out, "6b337921") ||
				strings.Contains(out, "107 51") || strings.Contains(out, "0x6b") {
				t.Errorf("%s of %T shows the key: %s", verb, v, out)
			}
		}
	}
}

func TestLocalKeySize(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 31), bytes.Repeat([]byte{1}, 33),
		make([]byte, 32)} {
		if _, err := NewLocalKey(b); err == nil {
			t.Errorf("a key of %d bytes %x was taken", len(b), b)
		}
	}
	if _, err := Local(testMessage(), "root", LocalKey{}); err == nil {
		t.Error("approved without a key")
	}
}

func TestLocalApprovalIsBoundToAllOfIt(t *testing.T) {
	key := testKey(t)
	a, err := Local(testMessage(), "anna", key)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.verifyMAC(a); err != nil {
		t.Fatal(err)
	}
	other, err := NewLocalKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.verifyMAC(a); err == nil {
		t.Error("holds under another key")
	}
	for name, change := range map[string]func(*Approval){
		"plan":    func(a *Approval) { a.Message.Plan = a.Message.Context },
		"context": func(a *Approval) { a.Message.Context = a.Message.Plan },
		"name":    func(a *Approval) { a.Message.Name = "ben@example.com" },
		"time":    func(a *Approval) { a.Message.Time = a.Message.Time.AddDate(0, 0, 1) },
		"ticket":  func(a *Approval) { a.Message.Ticket = "" },
		"comment": func(a *Approval) { a.Message.Comment += "." },
		"login":   func(a *Approval) { a.Login = "ben" },
		"kind":    func(a *Approval) { a.Kind = KindPolicy },
	} {
		b := a
		change(&b)
		if err := key.verifyMAC(b); err == nil {
			t.Errorf("still holds with another %s", name)
		}
	}
}

func TestPolicyNameIsThePolicys(t *testing.T) {
	key := testKey(t)
	a, err := Policy(testMessage(), testContext, "root", key)
	if err != nil || a.Message.Name != "policy:"+testContext {
		t.Errorf("got %q, %v", a.Message.Name, err)
	}
	m := testMessage()
	m.Name = "policy:" + testContext
	if _, err := Local(m, "root", key); err == nil {
		t.Error("a person approved under a policy's name")
	}
	if _, err := Policy(testMessage(), "anna", "root", key); err == nil {
		t.Error("a policy without a digest approved")
	}
}

func TestBlockIsCanonical(t *testing.T) {
	a, err := Local(testMessage(), "anna", testKey(t))
	block := mustBlock(t, a, err)
	back, err := Parse(block)
	if err != nil || !bytes.Equal(mustBlock(t, back, nil), block) {
		t.Fatalf("does not come back: %v", err)
	}
	for _, l := range strings.Split(string(block), "\n") {
		if len(l) > 64 {
			t.Errorf("line of %d: %s", len(l), l)
		}
	}
	p, _ := pem.Decode(block)
	repack := func(json string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: []byte(json)}))
	}
	json, text := string(p.Bytes), string(block)
	for name, bad := range map[string]string{
		"CRLF":             strings.ReplaceAll(text, "\n", "\r\n"),
		"blank line after": text + "\n",
		"text before":      "x\n" + text,
		"two blocks":       text + text,
		"header":           strings.Replace(text, "-----\n", "-----\nA: b\n\n", 1),
		"other type":       strings.ReplaceAll(text, pemType, "CSCS-SYNC PLAN"),
		"joined lines":     strings.Replace(text, text[100:101]+"\n", text[100:101], 1) + " ",
		"blank in JSON":    repack(strings.Replace(json, ",", ", ", 1)),
		"no line feed":     repack(strings.TrimSuffix(json, "\n")),
		"unknown member":   repack(strings.Replace(json, "}", `,"more":1}`, 1)),
		"duplicate member": repack(strings.Replace(json, "{", `{"format":1,`, 1)),
		"member's case":    repack(strings.Replace(json, "format", "Format", 1)),
		"format 2":         repack(strings.Replace(json, `"format":1`, `"format":2`, 1)),
		"unknown kind":     repack(strings.Replace(json, `"local"`, `"paper"`, 1)),
		"no login":         repack(strings.Replace(json, `"login":"anna",`, "", 1)),
		"upper case MAC": repack(strings.Replace(json, "hmac-sha256:"+macText(a.Proof)[12:],
			"hmac-sha256:"+strings.ToUpper(macText(a.Proof)[12:]), 1)),
		"escaped letter": repack(strings.Replace(json, "anna", `\u0061nna`, 1)),
		"second value":   repack(json + "{}\n"),
		"too long":       text + strings.Repeat("a", maxBlock),
		"nothing":        "",
	} {
		if bad == text {
			t.Errorf("%s: the test changes nothing", name)
		}
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDetachedSurvivesMail(t *testing.T) {
	a, err := Local(testMessage(), "anna", testKey(t))
	block := mustBlock(t, a, err)
	for name, file := range map[string]string{
		"as written": string(block),
		"CRLF":       strings.ReplaceAll(string(block), "\n", "\r\n"),
		"blanks":     "\n" + strings.ReplaceAll(string(block), "\n", " \n") + "\n\n",
	} {
		if got, err := Detached([]byte(file)); err != nil || !bytes.Equal(got, block) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, file := range map[string]string{
		"two": string(block) + string(block), "words": "see below\n" + string(block), "empty": "",
		"cut": string(block[:200]),
	} {
		if _, err := Detached([]byte(file)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzBlock(f *testing.F) {
	key := testKey(f)
	a, err := Local(testMessage(), "anna", key)
	f.Add(mustBlock(f, a, err))
	a, err = Policy(testMessage(), testContext, "root", key)
	f.Add(mustBlock(f, a, err))
	p, _ := pem.Decode(mustBlock(f, a, err))
	f.Add(p.Bytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, block := range [][]byte{data,
			pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: data})} {
			a, err := Parse(block)
			if err == nil && !bytes.Equal(mustBlock(t, a, nil), block) {
				t.Fatalf("parsed %q, marshalled %q", block, mustBlock(t, a, nil))
			}
		}
	})
}
