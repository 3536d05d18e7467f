package approval

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// keygen runs the stock ssh-keygen in a folder; OpenSSH's client package is a requirement of these
// tests.
type keygen struct {
	t   testing.TB
	dir string
	env []string
}

func newKeygen(t testing.TB) keygen {
	t.Helper()
	return keygen{t: t, dir: t.TempDir(), env: append(os.Environ(), "TZ=UTC")}
}

func (k keygen) path(name string) string { return filepath.Join(k.dir, name) }

func (k keygen) try(stdin []byte, args ...string) (string, error) {
	c := exec.Command("ssh-keygen", args...)
	c.Dir, c.Env, c.Stdin = k.dir, k.env, bytes.NewReader(stdin)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (k keygen) run(stdin []byte, args ...string) string {
	k.t.Helper()
	out, err := k.try(stdin, args...)
	if err != nil {
		k.t.Fatalf("ssh-keygen %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (k keygen) read(name string) []byte {
	k.t.Helper()
	b, err := os.ReadFile(k.path(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k keygen) write(name string, data []byte) {
	k.t.Helper()
	if err := os.WriteFile(k.path(name), data, 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// key makes a key pair and returns its public line without the comment.
func (k keygen) key(name string, args ...string) string {
	k.t.Helper()
	k.run(nil, append([]string{"-q", "-N", "", "-C", "", "-f", name}, args...)...)
	return strings.TrimSpace(string(k.read(name + ".pub")))
}

func (k keygen) signer(name string) ssh.Signer {
	k.t.Helper()
	s, err := FileSigner(k.read(name), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

func (k keygen) public(name string) ssh.PublicKey {
	k.t.Helper()
	p, err := PublicKey(k.read(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return p
}

// verify asks the stock tool whether this name may have signed this, at the message's time.
func (k keygen) verify(a Approval, allowed string) (string, error) {
	k.t.Helper()
	k.write("allowed", []byte(allowed))
	k.write("sig", armor(a.Proof))
	at := a.Message.Time.UTC().Format("20060102150405") + "Z"
	text, err := a.Message.Text()
	if err != nil {
		k.t.Fatal(err)
	}
	return k.try(text, "-Y", "verify", "-f", "allowed", "-I", a.Message.Name, "-n", Namespace, "-s",
		"sig", "-Overify-time="+at)
}

// stockSign signs a message like a person who does not trust cscs-sync with their key.
func (k keygen) stockSign(m Message, key string, args ...string) Approval {
	k.t.Helper()
	text, err := m.Text()
	if err != nil {
		k.t.Fatal(err)
	}
	k.write("message", text)
	_ = os.Remove(k.path("message.sig"))
	k.run(nil, append(append([]string{"-Y", "sign", "-q", "-f", key, "-n", Namespace}, args...),
		"message")...)
	a, err := FromSSHSIG(text, k.read("message.sig"))
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

func parseSigners(t testing.TB, file string) *Signers {
	t.Helper()
	s, err := ParseSigners([]byte(file), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signedBy(t testing.TB, m Message, s ssh.Signer) Approval {
	t.Helper()
	a, err := SSH(rand.Reader, m, s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ours is our verdict on one approval under an allowed_signers file: nil if it counts.
func ours(t testing.TB, a Approval, allowed string) error {
	t.Helper()
	block := mustBlock(t, a, nil)
	v, err := Judge(Input{
		Plan: a.Message.Plan, Context: a.Message.Context, Blocks: [][]byte{block},
		Now:   a.Message.Time,
		Rules: Rules{Required: 1, ValidFor: time.Hour, Signers: parseSigners(t, allowed)},
	})
	if err != nil {
		return err
	}
	if !v.Enough {
		return fmt.Errorf("%s", strings.Join(v.Reasons, "; "))
	}
	return nil
}

func keyKinds() map[string][]string {
	return map[string][]string{
		"ed25519": {"-t", "ed25519"}, "rsa": {"-t", "rsa", "-b", "2048"},
		"pem":  {"-t", "rsa", "-b", "2048", "-m", "PEM"},
		"p256": {"-t", "ecdsa", "-b", "256"}, "p384": {"-t", "ecdsa", "-b", "384"},
		"p521": {"-t", "ecdsa", "-b", "521"},
	}
}

func TestBothWaysWithStockTool(t *testing.T) {
	for name, args := range keyKinds() {
		t.Run(name, func(t *testing.T) {
			k := newKeygen(t)
			allowed := "anna@example.com " + k.key("key", args...) + "\n"
			mine := signedBy(t, testMessage(), k.signer("key"))
			if out, err := k.verify(mine, allowed); err != nil {
				t.Errorf("the stock tool refuses ours: %s", out)
			}
			theirs := k.stockSign(testMessage(), "key")
			for who, a := range map[string]Approval{"ours": mine, "theirs": theirs} {
				if err := ours(t, a, allowed); err != nil {
					t.Errorf("%s is not enough: %v", who, err)
				}
			}
			if err := ours(t, k.stockSign(testMessage(), "key", "-Ohashalg=sha256"),
				allowed); err != nil {
				t.Errorf("theirs by sha256: %v", err)
			}
		})
	}
}

// TestCheckingByHand does what docs/reference/approvals.md shows with base64 and jq: a block has
// everything that the stock tool needs, in the form that it needs.
func TestCheckingByHand(t *testing.T) {
	k := newKeygen(t)
	allowed := "anna@example.com " + k.key("key", "-t", "ed25519")
	for who, a := range map[string]Approval{"ours": signedBy(t, testMessage(), k.signer("key")),
		"theirs": k.stockSign(testMessage(), "key")} {
		lines := strings.Split(strings.TrimSpace(string(mustBlock(t, a, nil))), "\n")
		data, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:len(lines)-1], ""))
		if err != nil {
			t.Fatal(err)
		}
		var block map[string]any
		if err := json.Unmarshal(data, &block); err != nil {
			t.Fatal(err)
		}
		k.write("allowed", []byte(allowed))
		k.write("hand.sig", []byte(block["signature"].(string)))
		out, err := k.try([]byte(block["message"].(string)), "-Y", "verify", "-f", "allowed", "-I",
			"anna@example.com",
			"-n", "cscs-sync-plan", "-s", "hand.sig", "-Overify-time=20261122214003Z")
		if err != nil {
			t.Errorf("%s: %s", who, out)
		}
	}
}

// FuzzSSHSIG checks that no signature has two forms, and that nothing else parses by chance.
func FuzzSSHSIG(f *testing.F) {
	for _, word := range []string{"1", "2"} {
		f.Add(signedBy(f, testMessage(), person(f, word)).Proof)
	}
	k := newKeygen(f)
	k.key("ca", "-t", "ed25519")
	k.key("key", "-t", "ecdsa")
	k.run(nil, "-q", "-s", "ca", "-I", "id", "-n", "anna", "key.pub")
	f.Add(k.stockSign(testMessage(), "key-cert.pub").Proof)
	f.Fuzz(func(t *testing.T, blob []byte) {
		s, err := parseSSHSIG(blob)
		if err != nil {
			return
		}
		if !bytes.Equal(s.blob(), blob) {
			t.Fatal("parsed, and marshalled otherwise")
		}
		back, err := Parse(mustBlock(t, Approval{Message: testMessage(), Kind: KindSSH,
			Proof: blob}, nil))
		if err != nil || !bytes.Equal(back.Proof, blob) {
			t.Fatalf("lost in a block: %v", err)
		}
	})
}

func TestEncryptedKeyFile(t *testing.T) {
	k := newKeygen(t)
	k.run(nil, "-q", "-t", "ed25519", "-N", "open sesame", "-C", "", "-f", "key")
	word := []byte("open sesame")
	s, err := FileSigner(k.read("key"), func() ([]byte, error) { return word, nil })
	if err != nil {
		t.Fatal(err)
	}
	if strings.Trim(string(word), "\x00") != "" {
		t.Errorf("the passphrase is still in memory: %q", word)
	}
	if out, err := k.verify(signedBy(t, testMessage(), s),
		"* "+string(k.read("key.pub"))); err != nil {
		t.Error(out)
	}
	_, err = FileSigner(k.read("key"), func() ([]byte, error) { return []byte("wrong horse"), nil })
	if err == nil || strings.Contains(err.Error(), "wrong horse") {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err = FileSigner(k.read("key"), nil); err == nil {
		t.Error("opened without a passphrase")
	}
	if _, err = FileSigner(k.read("key"),
		func() ([]byte, error) { return nil, os.ErrClosed }); err == nil {
		t.Error("opened although nobody answered")
	}
}

func TestWeakKeysAreRefused(t *testing.T) {
	k := newKeygen(t)
	k.key("short", "-t", "rsa", "-b", "1024")
	if _, err := FileSigner(k.read("short"), nil); err == nil || !strings.Contains(err.Error(),
		"2048") {
		t.Errorf("signing with 1024 bits: %v", err)
	}
	k.write("message", mustText(t, testMessage()))
	k.run(nil, "-Y", "sign", "-q", "-f", "short", "-n", Namespace, "message")
	if _, err := FromSSHSIG(k.read("message"), k.read("message.sig")); err == nil ||
		!strings.Contains(err.Error(), "2048") {
		t.Errorf("a signature by 1024 bits: %v", err)
	}
	if s := parseSigners(t, "anna@example.com "+string(k.read("short.pub"))); s.Len() != 0 ||
		len(s.Problems()) != 1 {
		t.Errorf("listed: %v", s.Problems())
	}
}

func TestRSAWithSHA1IsRefused(t *testing.T) {
	k := newKeygen(t)
	k.key("key", "-t", "rsa", "-b", "2048")
	text := mustText(t, testMessage())
	s := k.signer("key")
	sig, err := s.Sign(rand.Reader, signedData(hashSHA512, text)) // x/crypto's default for RSA
	if err != nil || sig.Format != ssh.KeyAlgoRSA {
		t.Fatal(sig, err)
	}
	blob := sshsig{s.PublicKey(), hashSHA512, sig}.blob()
	if _, err := FromSSHSIG(text, armor(blob)); err == nil || !strings.Contains(err.Error(),
		"ssh-rsa") {
		t.Errorf("got %v", err)
	}
}

func TestSignatureForSomethingElse(t *testing.T) {
	k := newKeygen(t)
	k.key("key", "-t", "ed25519")
	text := mustText(t, testMessage())
	k.write("message", text)
	for _, namespace := range []string{"file", "git", Namespace + "@v1"} {
		_ = os.Remove(k.path("message.sig"))
		k.run(nil, "-Y", "sign", "-q", "-f", "key", "-n", namespace, "message")
		if _, err := FromSSHSIG(text, k.read("message.sig")); err == nil ||
			!strings.Contains(err.Error(), "-n cscs-sync-plan") {
			t.Errorf("namespace %s: %v", namespace, err)
		}
	}
	a := k.stockSign(testMessage(), "key")
	for i := range text {
		other := bytes.Clone(text)
		other[i] ^= 1
		if _, err := FromSSHSIG(other, armor(a.Proof)); err == nil {
			t.Fatalf("byte %d changed, and it still holds", i)
		}
	}
	for i := range a.Proof {
		b := a
		b.Proof = bytes.Clone(a.Proof)
		b.Proof[i] ^= 1
		if _, err := b.verifySSH(); err == nil {
			t.Fatalf("byte %d of the signature changed, and it still holds", i)
		}
	}
}

func TestArmorWithSomethingAround(t *testing.T) {
	k := newKeygen(t)
	k.key("key", "-t", "ed25519")
	a := k.stockSign(testMessage(), "key")
	text, good := mustText(t, testMessage()), string(k.read("message.sig"))
	if _, err := FromSSHSIG(text, []byte(strings.ReplaceAll(good, "\n", "\r\n"))); err != nil {
		t.Errorf("CRLF: %v", err)
	}
	for name, bad := range map[string]string{
		"words before": "x\n" + good, "words after": good + "x\n", "twice": good + good,
		"empty":       "",
		"header":      strings.Replace(good, "-----\n", "-----\nA: b\n\n", 1),
		"other block": strings.ReplaceAll(good, "SSH SIGNATURE", "CERTIFICATE"),
		"cut":         string(armor(a.Proof[:len(a.Proof)-1])),
		"more":        string(armor(append(bytes.Clone(a.Proof), 0))),
		"too long":    good + strings.Repeat(" ", maxBlock),
	} {
		if _, err := FromSSHSIG(text, []byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
