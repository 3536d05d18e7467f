package approval

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/crypto/ssh"
)

// TestAllowedSignersAsStockTool gives the same lines to both tools, and expects the same verdict.
// KEY is the key that signed, and OTHER is another one. The message's time is 2026-11-22 21:40:03
// UTC, and its name is anna@example.com.
func TestAllowedSignersAsStockTool(t *testing.T) {
	k := newKeygen(t)
	key, other := k.key("key", "-t", "ed25519"), k.key("other", "-t", "ecdsa")
	blob := strings.TrimPrefix(key, "ssh-ed25519 ")
	a := k.stockSign(testMessage(), "key")
	for lines, want := range map[string]bool{
		"anna@example.com KEY":                                        true,
		"anna@example.com KEY a comment":                              true,
		"anna@example.com\tKEY\r\n":                                   true,
		" \t anna@example.com \t KEY\n":                               true,
		"anna@example.com OTHER":                                      false,
		"ben@example.com KEY":                                         false,
		"Anna@example.com KEY":                                        false,
		"anna@example.com OTHER\n# comment\n\nanna@example.com KEY\n": true,
		"# anna@example.com KEY":                                      false,
		"":                                                            false,
		"anna@example.com":                                            false,
		"anna@example.com ":                                           false,
		"KEY":                                                         false,
		// principals
		"*@example.com KEY":                                 true,
		"*@example.org KEY":                                 false,
		"* KEY":                                             true,
		"anna@example.co? KEY":                              true,
		"anna@example.com? KEY":                             false,
		"????@*.com KEY":                                    true,
		"a**a@*m* KEY":                                      true,
		"ben@example.com,anna@example.com KEY":              true,
		"!anna@example.com,*@example.com KEY":               false,
		"*@example.com,!anna@example.com KEY":               false,
		"*@example.com,!ben@example.com KEY":                true,
		"!ben@example.com KEY":                              false,
		"!ben@example.com KEY\n*@example.com KEY":           true,
		"!anna@example.com,* KEY\nanna@* KEY":               true,
		`"anna@example.com" KEY`:                            true,
		`"anna@example.com"KEY`:                             true,
		`"ben b,anna@example.com" KEY`:                      true,
		`ben,"anna@example.com" KEY`:                        true,
		`"anna@example.com KEY`:                             false,
		`"" KEY`:                                            false,
		",anna@example.com, KEY":                            true,
		strings.Repeat("b", 1022) + ",anna@example.com KEY": true,
		strings.Repeat("b", 1023) + ",anna@example.com KEY": false,
		strings.Repeat("b", 1024) + ",anna@example.com KEY": false,
		// namespaces
		`anna@example.com namespaces="cscs-sync-plan" KEY`:                               true,
		`anna@example.com namespaces="git,cscs-sync-*" KEY`:                              true,
		`anna@example.com namespaces="git,file" KEY`:                                     false,
		`anna@example.com namespaces="*,!cscs-sync-plan" KEY`:                            false,
		`anna@example.com namespaces="" KEY`:                                             false,
		`anna@example.com NameSpaces="cscs-sync-plan" KEY`:                               true,
		`anna@example.com namespaces=cscs-sync-plan KEY`:                                 false,
		`anna@example.com namespaces="cscs-sync-plan KEY`:                                false,
		`anna@example.com namespaces="a\"b,cscs-sync-plan" KEY`:                          true,
		`anna@example.com namespaces="a b,cscs-sync-plan" KEY`:                           true,
		`anna@example.com namespaces="*",namespaces="*" KEY`:                             false,
		`anna@example.com namespaces="file" KEY` + "\n" + `anna@example.com KEY`:         true,
		`anna@example.com namespaces="cscs-sync-plan",valid-after="20260101Z" KEY`:       true,
		`anna@example.com namespaces="cscs-sync-plan", valid-after="20260101Z" KEY`:      false,
		`anna@example.com namespaces = "cscs-sync-plan" KEY`:                             false,
		`anna@example.com ,namespaces="cscs-sync-plan" KEY`:                              true,
		`anna@example.com ,,namespaces="cscs-sync-plan" KEY`:                             true,
		`anna@example.com namespaces="cscs-sync-plan"x KEY`:                              false,
		`anna@example.com no-touch-required KEY`:                                         false,
		`anna@example.com no-such-option KEY` + "\n" + `anna@example.com KEY`:            true,
		`anna@example.com cert-authority KEY`:                                            false,
		`anna@example.com cert-authorityx KEY`:                                           false,
		`anna@example.com namespaces="x` + "\n" + `anna@example.com KEY`:                 true,
		`anna@example.com namespaces="cscs-sync-plan",valid-before="20270101" KEY extra`: true,
		// times
		`anna@example.com valid-after="20261122" KEY`:                                       true,
		`anna@example.com valid-after="20261123Z" KEY`:                                      false,
		`anna@example.com valid-after="202611222140Z" KEY`:                                  true,
		`anna@example.com valid-after="202611222141Z" KEY`:                                  false,
		`anna@example.com valid-after="20261122214003Z" KEY`:                                true,
		`anna@example.com valid-after="20261122214004Z" KEY`:                                false,
		`anna@example.com valid-after="20261122214003UTC" KEY`:                              true,
		`anna@example.com valid-after="20261122214004utc" KEY`:                              false,
		`anna@example.com valid-after="20261122214003z" KEY`:                                true,
		`anna@example.com valid-before="20261122214003Z" KEY`:                               true,
		`anna@example.com valid-before="20261122214002Z" KEY`:                               false,
		`anna@example.com VALID-BEFORE="20261122" KEY`:                                      false,
		`anna@example.com valid-after="2026" KEY`:                                           false,
		`anna@example.com valid-after="2026112" KEY`:                                        false,
		`anna@example.com valid-after="2026-11-22" KEY`:                                     false,
		`anna@example.com valid-after="20261322" KEY`:                                       false,
		`anna@example.com valid-after="20261122250000" KEY`:                                 false,
		`anna@example.com valid-after="" KEY`:                                               false,
		`anna@example.com valid-after="19700101Z" KEY`:                                      false,
		`anna@example.com valid-before="19700101Z" KEY`:                                     false,
		`anna@example.com valid-after=20261101 KEY`:                                         false,
		`anna@example.com valid-after="20260101",valid-after="20260101" KEY`:                false,
		`anna@example.com valid-after="20260101",valid-before="20270101" KEY`:               true,
		`anna@example.com valid-after="20270101",valid-before="20260101" KEY`:               false,
		`anna@example.com valid-after="20260101",valid-before="20260101" KEY`:               false,
		`anna@example.com valid-before="20260101" KEY` + "\n" + `anna@example.com KEY`:      true,
		`anna@example.com valid-after="20261201" KEY` + "\n" + `*@example.com OTHER` + "\n": false,
		// keys
		"anna@example.com ssh-rsa " + blob:            false,
		"anna@example.com ssh-ed25519 " + blob + "==": false,
		"anna@example.com ssh-ed25519 " + blob[:40]:   false,
		"anna@example.com ssh-ed25519\t" + blob:       true,
		"anna@example.com ssh-ed25519":                false,
		"anna@example.com ED25519 " + blob:            false,
		"anna@example.com ssh-ed25519 " + blob + "#":  false,
	} {
		allowed := strings.NewReplacer("KEY", key, "OTHER", other).Replace(lines)
		out, stock := k.verify(a, allowed)
		if (stock == nil) != want {
			t.Errorf("the stock tool differs from this table on\n%s\n%s", lines, out)
		}
		if err := ours(t, a, allowed); (err == nil) != want {
			t.Errorf("want %v, got %v for\n%s", want, err, lines)
		}
	}
}

// In summer, local times are read so that they allow less, however a version of ssh-keygen reads
// them.
func TestLocalTimesInSummer(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	k := newKeygen(t)
	k.env = append(k.env, "TZ=Europe/Zurich")
	key := k.key("key", "-t", "ed25519")
	for _, c := range []struct {
		option, at string
		want       bool
	}{
		{`valid-after="20260701"`, "2026-06-30T21:59:59Z", false},
		// half past midnight there, by the clocks
		{`valid-after="20260701"`, "2026-06-30T22:30:00Z", false},
		{`valid-after="20260701"`, "2026-06-30T23:00:00Z", true},
		{`valid-before="20260701"`, "2026-06-30T22:00:00Z", true},
		{`valid-before="20260701"`, "2026-06-30T22:30:00Z", false},
		{`valid-before="20260701"`, "2026-06-30T23:00:01Z", false},
		{`valid-after="20260201"`, "2026-01-31T22:59:59Z", false},
		{`valid-after="20260201"`, "2026-01-31T23:00:00Z", true},
		{`valid-before="20260201"`, "2026-01-31T23:00:00Z", true},
		{`valid-before="20260201"`, "2026-01-31T23:00:01Z", false},
		{`valid-after="20260701Z"`, "2026-07-01T00:00:00Z", true},
		{`valid-after="20260701Z"`, "2026-06-30T23:59:59Z", false},
	} {
		m := testMessage()
		if m.Time, err = time.Parse(time.RFC3339, c.at); err != nil {
			t.Fatal(err)
		}
		allowed := "anna@example.com " + c.option + " " + key
		s, err := ParseSigners([]byte(allowed), zurich)
		if err != nil {
			t.Fatal(err)
		}
		err = s.allows(m.Name, k.public("key.pub"), m.Time)
		if (err == nil) != c.want {
			t.Errorf("%s at %s: want %v, got %v", c.option, c.at, c.want, err)
		}
		if out, stock := k.verify(k.stockSign(m, "key"), allowed); c.want && stock != nil {
			t.Errorf("%s at %s: allowed here, and refused by the stock tool: %s", c.option, c.at,
				out)
		}
	}
}

func TestCertificates(t *testing.T) {
	k := newKeygen(t)
	ca, other := k.key("ca", "-t", "ecdsa"), k.key("other", "-t", "ed25519")
	weak := k.key("weak", "-t", "rsa", "-b", "1024")
	key := k.key("key", "-t", "ed25519")
	sign := func(authority string, args ...string) {
		k.run(nil, append(append([]string{"-q", "-s", authority, "-I", "id"}, args...),
			"key.pub")...)
	}
	year := []string{"-V", "20260101:20270101"}
	for name, c := range map[string]struct {
		authority string
		args      []string
		allowed   string
		want      bool
		stricter  bool // refused here only
	}{
		"as it should be": {"ca", []string{"-n", "anna@example.com"},
			"*@example.com cert-authority CA", true, false},
		"one of several names": {"ca", []string{"-n", "ben,anna@example.com"},
			"* cert-authority CA", true, false},
		"and a namespace": {"ca", []string{"-n", "anna@example.com"},
			`* cert-authority,namespaces="cscs-sync-*" CA`, true, false},
		"other namespace": {"ca", []string{"-n", "anna@example.com"},
			`* cert-authority,namespaces="git" CA`, false, false},
		"another's name": {"ca", []string{"-n", "ben@example.com"}, "* cert-authority CA",
			false, false},
		"pattern as a name": {"ca", []string{"-n", "*"}, "* cert-authority CA", false, false},
		"no names":          {"ca", nil, "* cert-authority CA", false, false},
		"line for others": {"ca", []string{"-n", "anna@example.com"},
			"ben@example.com cert-authority CA", false, false},
		"without the option": {"ca", []string{"-n", "anna@example.com"}, "* CA", false, false},
		"the key is listed": {"ca", []string{"-n", "anna@example.com"}, "* KEY", false,
			false},
		"the key as authority": {"ca", []string{"-n", "anna@example.com"},
			"* cert-authority KEY", false, false},
		"other authority": {"other", []string{"-n", "anna@example.com"},
			"* cert-authority CA", false, false},
		"two authorities": {"other", []string{"-n", "anna@example.com"},
			"* cert-authority CA\n* cert-authority OTHER", true, false},
		"a host's": {"ca", []string{"-h", "-n", "anna@example.com"},
			"* cert-authority CA", false, false},
		"expired": {"ca", []string{"-n", "anna@example.com", "-V",
			"20260101:20261122"}, "* cert-authority CA", false, false},
		"not yet valid": {"ca", []string{"-n", "anna@example.com", "-V",
			"20261123:20270101"}, "* cert-authority CA", false, false},
		"for ever": {"ca", []string{"-n", "anna@example.com", "-V",
			"always:forever"}, "* cert-authority CA", true, false},
		"authority not yet": {"ca", []string{"-n", "anna@example.com"},
			`* cert-authority,valid-after="20261123Z" CA`, false, false},
		"authority no longer": {"ca", []string{"-n", "anna@example.com"},
			`* valid-before="20261122Z",cert-authority CA`, false, false},
		"with a critical option": {"ca", []string{"-n", "anna@example.com", "-O",
			"force-command=true"}, "* cert-authority CA", true, true},
		"authority of 1024 bits": {"weak", []string{"-n", "anna@example.com"},
			"* cert-authority WEAK", true, true},
		"itself listed, no check": {"ca", []string{"-n", "ben@example.com"}, "* CERT", true, true},
	} {
		args := c.args
		if !strings.Contains(strings.Join(args, " "), "-V") {
			args = append(args, year...)
		}
		sign(c.authority, args...)
		cert := strings.TrimSpace(string(k.read("key-cert.pub")))
		allowed := strings.NewReplacer("CA", ca, "OTHER", other, "KEY", key, "WEAK", weak, "CERT",
			cert).Replace(c.allowed)
		a := k.stockSign(testMessage(), "key-cert.pub")
		out, stock := k.verify(a, allowed)
		if (stock == nil) != c.want {
			t.Errorf("%s: the stock tool differs from this table: %s", name, out)
		}
		if err := ours(t, a, allowed); (err == nil) != (c.want && !c.stricter) {
			t.Errorf("%s: want %v, got %v", name, c.want && !c.stricter, err)
		}
		mine, err := withCertificate(k.signer("key"), k.public("key-cert.pub"))
		if err != nil {
			t.Fatal(err)
		}
		if err := ours(t, signedBy(t, testMessage(), mine), allowed); (err == nil) != (c.want &&
			!c.stricter) {
			t.Errorf("%s, signed here: %v", name, err)
		}
	}
}

// A certificate that somebody signed with their own key, with the authority's key put beside it.
func TestForgedCertificate(t *testing.T) {
	k := newKeygen(t)
	ca := k.key("ca", "-t", "ed25519")
	k.key("key", "-t", "ed25519")
	_, mallory, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fake, err := ssh.NewSignerFromKey(mallory)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: k.public("key.pub"), CertType: ssh.UserCert, KeyId: "id",
		ValidPrincipals: []string{"anna@example.com"}, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, fake); err != nil {
		t.Fatal(err)
	}
	cert.SignatureKey = k.public("ca.pub")
	s, err := withCertificate(k.signer("key"), cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours(t, signedBy(t, testMessage(), s), "* cert-authority "+ca); err == nil {
		t.Error("a forged certificate is accepted")
	}
}

func TestNames(t *testing.T) {
	k := newKeygen(t)
	key, ca := k.key("key", "-t", "ed25519"), k.key("ca", "-t", "ed25519")
	k.run(nil, "-q", "-s", "ca", "-I", "id", "-n", "anna,ben,carl@example.org", "-V",
		"20260101:20270101", "key.pub")
	s := parseSigners(t, "anna,*@example.com,!eve "+key+"\nanna,root "+key+
		"\nold valid-before=\"20260101Z\" "+key+"\n!ben,* cert-authority "+ca+"\n")
	if got := strings.Join(s.Names(k.public("key.pub"), testTime), " "); got != "anna root" {
		t.Errorf("key: %s", got)
	}
	if got := strings.Join(s.Names(k.public("key-cert.pub"), testTime),
		" "); got != "anna carl@example.org" {
		t.Errorf("certificate: %s", got)
	}
	for key, want := range map[string]string{"key.pub": "the names anna, root; give one",
		"ca.pub": "f spells out no name"} {
		name, err := s.Principal(k.public(key), testTime, "f")
		if name != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", key, name, err)
		}
	}
	if got := s.Names(k.public("ca.pub"), testTime); got != nil {
		t.Errorf("authority's own key: %s", got)
	}
}

func TestProblemsNameTheLine(t *testing.T) {
	s := parseSigners(t, "# fine\nanna\n\nanna x=1 ssh-ed25519 AAAA\nben valid-after=\"tomorrow\" "+
		newKeygen(t).key("key", "-t", "ed25519")+"\nan\x00na ssh-ed25519 AAAA")
	var got []string
	for _, p := range s.Problems() {
		got = append(got, p.Error())
	}
	for i, want := range []string{"line 2: want principals", "line 4: public key",
		`line 5: options: valid-after: time "tomorrow"`, "line 6: it has a NUL"} {
		if i >= len(got) || !strings.Contains(got[i], want) {
			t.Errorf("problem %d: want %q in %q", i+1, want, got)
		}
	}
	if _, err := ParseSigners(make([]byte, maxSigners+1), time.UTC); err == nil {
		t.Error("too long a file was read")
	}
}

func FuzzSigners(f *testing.F) {
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGOF6Q9t9kkAgQuOyPlJ7O7yqjI4LhqftxXtkly4wxz3"
	f.Add("anna,*@example.com,!eve namespaces=\"a\\\"b,cscs-sync-plan\",valid-after=\"20260101Z\" " +
		key + " comment\n# x\n\nbad\n")
	f.Add("\"an na\" cert-authority,valid-before=\"20270101\" " + key + "\r\n")
	f.Add("* " + key)
	public, err := PublicKey([]byte(key))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file string) {
		s, err := ParseSigners([]byte(file), time.UTC)
		if err != nil {
			return
		}
		for _, name := range s.Names(public, testTime) {
			if err := s.allows(name, public, testTime); err != nil {
				t.Fatalf("%q: offered and refused: %v", name, err)
			}
		}
		if got := s.allows("anna", public, testTime); got == nil && s.Len() == 0 {
			t.Fatal("allowed by no line")
		}
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("anna@example.com", "*@ex?mple.com,!ben")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaa", "*a*a*a*a*a*a*b")
	f.Fuzz(func(t *testing.T, s, list string) {
		if matchList(s, list) && matchList(s, list+",!*") {
			t.Fatal("matches although everything is negated")
		}
		if len(s)+len(list) < 16 && matchPattern(s, list) != matchSlowly(s, list) {
			t.Fatalf("%q, %q: not as by definition", s, list)
		}
	})
}

// matchSlowly is the definition.
func matchSlowly(s, p string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*':
		return matchSlowly(s, p[1:]) || s != "" && matchSlowly(s[1:], p)
	}
	return s != "" && (p[0] == '?' || p[0] == s[0]) && matchSlowly(s[1:], p[1:])
}

// The stock tool reads the 31st of February as the 3rd of March. A list that says so is a mistake,
// and is refused.
func TestDatesThatDoNotExist(t *testing.T) {
	k := newKeygen(t)
	key := k.key("key", "-t", "ed25519")
	a := k.stockSign(testMessage(), "key")
	for _, date := range []string{"20260231Z", "20260431Z"} {
		allowed := `anna@example.com valid-after="` + date + `" ` + key
		if out, err := k.verify(a, allowed); err != nil {
			t.Errorf("%s: the stock tool refuses it too, docs/reference/approvals.md says otherwise: %s",
				date, out)
		}
		if err := ours(t, a, allowed); err == nil {
			t.Errorf("%s: accepted", date)
		}
	}
}
