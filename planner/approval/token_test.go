package approval

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"testing"

	"golang.org/x/crypto/ssh"
)

// token is a security token made of software: it signs as PROTOCOL.u2f says, touched or not.
type token struct {
	public ssh.PublicKey
	sign   func(data []byte) ([]byte, error)
	flags  byte
}

const touched = 1

func (k token) PublicKey() ssh.PublicKey { return k.public }

func (k token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, sum := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := []byte{k.flags, 0, 0, 0, 42}
	blob, err := k.sign(append(append(append([]byte{}, app[:]...), rest...), sum[:]...))
	return &ssh.Signature{Format: k.public.Type(), Blob: blob, Rest: rest}, err
}

func newToken(t *testing.T, wire any, sign func([]byte) ([]byte, error), flags byte) token {
	t.Helper()
	public, err := ssh.ParsePublicKey(ssh.Marshal(wire))
	if err != nil {
		t.Fatal(err)
	}
	return token{public, sign, flags}
}

func tokenED25519(t *testing.T, flags byte) token {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"}
	return newToken(t, wire,
		func(data []byte) ([]byte, error) { return ed25519.Sign(private, data), nil }, flags)
}

func tokenECDSA(t *testing.T, flags byte) token {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	wire := struct {
		Type, Curve string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKECDSA256, "nistp256", point, "ssh:"}
	return newToken(t, wire, func(data []byte) ([]byte, error) {
		sum := sha256.Sum256(data)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		return ssh.Marshal(struct{ R, S *big.Int }{r, s}), err
	}, flags)
}

func TestSecurityTokens(t *testing.T) {
	k := newKeygen(t)
	for name, make := range map[string]func(*testing.T,
		byte) token{"ed25519": tokenED25519, "ecdsa": tokenECDSA} {
		s := make(t, touched)
		a, allowed := signedBy(t, testMessage(), s),
			"anna@example.com "+string(ssh.MarshalAuthorizedKey(s.public))
		if out, err := k.verify(a, allowed); err != nil {
			t.Errorf("%s: the stock tool refuses it: %s", name, out)
		}
		if err := ours(t, a, allowed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		changed := a
		changed.Message.Ticket = "CHG-1"
		if err := ours(t, changed, allowed); err == nil {
			t.Errorf("%s: holds for another message", name)
		}
		if _, err := SSH(rand.Reader, testMessage(), make(t, 0)); err == nil {
			t.Errorf("%s: signed without a touch", name)
		}
	}
}

// The stock tool does not check whether a token was touched. For a tool that runs plans as root, it
// must have been.
func TestUntouchedTokenRefusesTheFile(t *testing.T) {
	k, s := newKeygen(t), tokenED25519(t, 0)
	sig, err := s.Sign(nil, signedData(hashSHA512, mustText(t, testMessage())))
	if err != nil {
		t.Fatal(err)
	}
	a := Approval{Message: testMessage(), Kind: KindSSH, Proof: sshsig{s.public, hashSHA512,
		sig}.blob()}
	allowed := "anna@example.com " + string(ssh.MarshalAuthorizedKey(s.public))
	if out, err := k.verify(a, allowed); err != nil {
		t.Errorf("the signature itself should be good: %s", out)
	}
	var refused *BlockError
	if err := ours(t, a, allowed); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}
