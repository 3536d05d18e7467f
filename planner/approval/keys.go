package approval

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// minRSA is the least number of bits of an accepted RSA key.
const minRSA = 2048

// plainKey returns the key of a certificate, or the key itself.
func plainKey(key ssh.PublicKey) ssh.PublicKey {
	if c, ok := key.(*ssh.Certificate); ok {
		return c.Key
	}
	return key
}

// Fingerprint names a key as ssh-keygen -l does. A certificate is named by its key.
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(plainKey(key)) }

// onToken reports whether the private key is on a security token (FIDO).
func onToken(key ssh.PublicKey) bool {
	t := plainKey(key).Type()
	return t == ssh.KeyAlgoSKED25519 || t == ssh.KeyAlgoSKECDSA256
}

// checkKey refuses weak keys, and types of keys that nobody here has examined.
func checkKey(key ssh.PublicKey) error {
	k := plainKey(key)
	switch k.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		return checkRSA(k)
	}
	return fmt.Errorf("keys of type %.60q are not accepted; use ed25519, ecdsa, rsa or a "+
		"security token's", k.Type())
}

func checkRSA(k ssh.PublicKey) error {
	c, ok := k.(ssh.CryptoPublicKey)
	if !ok {
		return fmt.Errorf("rsa key: its length is not known")
	}
	r, ok := c.CryptoPublicKey().(*rsa.PublicKey)
	if !ok || r.N.BitLen() < minRSA {
		return fmt.Errorf("rsa key %s is shorter than %d bits; use ed25519",
			ssh.FingerprintSHA256(k), minRSA)
	}
	return nil
}

// FileSigner reads a private key file in OpenSSH's or another PEM form. For an encrypted file it
// calls passphrase once, and overwrites the returned bytes.
func FileSigner(file []byte, passphrase func() ([]byte, error)) (ssh.Signer, error) {
	key, err := ssh.ParseRawPrivateKey(file)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) && passphrase != nil {
		word, askErr := passphrase()
		if askErr != nil {
			return nil, fmt.Errorf("private key: ask for its passphrase: %w", askErr)
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(file, word)
		clear(word)
	}
	if err != nil {
		return nil, fmt.Errorf(
			"private key: %w; a key on a security token, or one that only the agent has, is "+
				"chosen by its .pub file", err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	if err := checkKey(s.PublicKey()); err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return s, nil
}

// IsPublicKey reports whether a file is a public key, whose private half the agent must have, and
// not a private one, which is PEM. A file that is neither counts as public; [PublicKey] says what
// is wrong with it.
func IsPublicKey(file []byte) bool {
	p, _ := pem.Decode(file)
	return p == nil
}

// PublicHalf returns the public half of a key from the file of either half.
func PublicHalf(file []byte, passphrase func() ([]byte, error)) (ssh.PublicKey, error) {
	if IsPublicKey(file) {
		return PublicKey(file)
	}
	s, err := FileSigner(file, passphrase)
	if err != nil {
		return nil, err
	}
	return s.PublicKey(), nil
}

// PublicKey reads the file of a public key or certificate: one line with type, base64 and perhaps a
// comment.
func PublicKey(file []byte) (ssh.PublicKey, error) {
	line := strings.TrimSpace(string(file))
	if strings.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("public key: want one line")
	}
	return parseKey(line)
}

// parseKey reads "type base64 [comment]".
func parseKey(s string) (ssh.PublicKey, error) {
	typ, rest := cutBlank(s)
	blob, _ := cutBlank(rest)
	wire, err := base64.StdEncoding.Strict().DecodeString(blob)
	if err != nil || blob == "" {
		return nil, fmt.Errorf("public key: want a type, a blank and base64")
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if key.Type() != typ || !bytes.Equal(key.Marshal(), wire) {
		return nil, fmt.Errorf("public key: it says %.60q but is %s", typ, key.Type())
	}
	return key, checkKey(key)
}

func cutBlank(s string) (first, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}

// AgentSigner finds the private half of a public key in the agent. Given a certificate, it also
// accepts the plain key and signs with the certificate beside it.
func AgentSigner(a agent.Agent, public ssh.PublicKey) (ssh.Signer, error) {
	if err := checkKey(public); err != nil {
		return nil, err
	}
	signers, err := a.Signers()
	if err != nil {
		return nil, fmt.Errorf("ssh agent: list its keys: %w", err)
	}
	if s := findSigner(signers, public); s != nil {
		return s, nil
	}
	if cert, ok := public.(*ssh.Certificate); ok {
		if s := findSigner(signers, cert.Key); s != nil {
			return withCertificate(s, cert)
		}
	}
	return nil, fmt.Errorf("ssh agent: it has no key %s; add it with ssh-add", Fingerprint(public))
}

func findSigner(signers []ssh.Signer, public ssh.PublicKey) ssh.Signer {
	for _, s := range signers {
		if a, ok := s.(ssh.AlgorithmSigner); ok && bytes.Equal(s.PublicKey().Marshal(),
			public.Marshal()) {
			return withKey{a, public}
		}
	}
	return nil
}

// withKey replaces the agent's own kind of public key, which says nothing about the key, by the
// parsed key.
type withKey struct {
	ssh.AlgorithmSigner
	public ssh.PublicKey
}

func (w withKey) PublicKey() ssh.PublicKey { return w.public }

// withCertificate returns a signer that signs with s and shows the certificate.
func withCertificate(s ssh.Signer, public ssh.PublicKey) (ssh.Signer, error) {
	cert, ok := public.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("certificate %s: it is a plain key", Fingerprint(public))
	}
	c, err := ssh.NewCertSigner(cert, s)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return c, nil
}
