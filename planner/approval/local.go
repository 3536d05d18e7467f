package approval

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// localKeySize is the size of the node's approval key, in bytes.
const localKeySize = 32

const (
	macSize   = sha256.Size
	macPrefix = "hmac-sha256:"
)

// LocalKey is the node's approval key. Anybody who can read it can approve. The zero value is no
// key. It never prints.
type LocalKey struct {
	key [localKeySize]byte
	set bool
}

// NewLocalKey reads the content of state.path/approval.key.
func NewLocalKey(b []byte) (LocalKey, error) {
	if len(b) != localKeySize {
		return LocalKey{}, fmt.Errorf(
			"approval key: %d bytes, want %d; move the file away and approve again: this "+
				"makes a new key, and earlier local approvals end", len(b), localKeySize)
	}
	k := LocalKey{set: true}
	copy(k.key[:], b)
	if k.key == [localKeySize]byte{} {
		return LocalKey{}, fmt.Errorf(
			"approval key: all its bytes are zero; move the file away and approve again: " +
				"this makes a new key, and earlier local approvals end")
	}
	return k, nil
}

// Format prints a placeholder and never the key, for every verb.
func (k LocalKey) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "(approval key, not shown)")
}

// mac binds kind, login and message together. Each part except the last ends in LF and cannot
// contain one.
func (k LocalKey) mac(kind Kind, login string, text []byte) []byte {
	h := hmac.New(sha256.New, k.key[:])
	_, _ = fmt.Fprintf(h, "cscs-sync %s approval v1\n%s\n%s", kind, login, text)
	return h.Sum(nil)
}

// Local makes an approval on the node without SSH keys. The holder of the key vouches for the login
// and the name.
func Local(m Message, login string, key LocalKey) (Approval, error) {
	return macApproval(m, KindLocal, login, key)
}

// Policy makes an approval in the name of the policy with this digest ("sha256:…"), which replaces
// the message's name.
func Policy(m Message, digest, login string, key LocalKey) (Approval, error) {
	if err := checkDigest("policy", digest); err != nil {
		return Approval{}, err
	}
	m.Name = PolicyPrefix + digest
	return macApproval(m, KindPolicy, login, key)
}

func macApproval(m Message, kind Kind, login string, key LocalKey) (Approval, error) {
	if !key.set {
		return Approval{}, fmt.Errorf(
			"approve: there is no approval key; local approvals are made on the node that " +
				"applies, as its user")
	}
	text, err := m.Text()
	if err != nil {
		return Approval{}, err
	}
	a := Approval{Message: m, Kind: kind, Login: login, Proof: key.mac(kind, login, text)}
	return a, a.check()
}

// verifyMAC returns an error unless the approval was made with this key.
func (k LocalKey) verifyMAC(a Approval) error {
	text, err := a.Message.Text()
	if err != nil {
		return err
	}
	if !hmac.Equal(k.mac(a.Kind, a.Login, text), a.Proof) {
		return fmt.Errorf("its MAC is not from this node: it was changed, or made on another node; " +
			"approve on the node that applies")
	}
	return nil
}

func macText(mac []byte) string { return macPrefix + hex.EncodeToString(mac) }

func parseMAC(s string) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, macPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != macSize {
		return nil, fmt.Errorf("the signature is not %s and %d hex digits", macPrefix, 2*macSize)
	}
	return b, nil
}
