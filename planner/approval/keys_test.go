package approval

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/agent"
)

func TestKeyFiles(t *testing.T) {
	k := newKeygen(t)
	for name, args := range keyKinds() {
		k.key(name, args...)
		if IsPublicKey(k.read(name)) || !IsPublicKey(k.read(name+".pub")) {
			t.Errorf("%s: public and private are mistaken", name)
		}
		if got, want := Fingerprint(k.signer(name).PublicKey()),
			strings.Fields(k.run(nil, "-l", "-f", name))[1]; got != want {
			t.Errorf("%s: fingerprint %s, ssh-keygen says %s", name, got, want)
		}
		for _, half := range []string{name, name + ".pub"} {
			public, err := PublicHalf(k.read(half), nil)
			if err != nil || Fingerprint(public) != Fingerprint(k.public(name+".pub")) {
				t.Errorf("%s: its public half is %v, %v", half, public, err)
			}
		}
	}
	good := string(k.read("ed25519.pub"))
	for name, bad := range map[string]string{
		"two keys": good + good, "empty": "", "type alone": "ssh-ed25519",
		"not base64": "ssh-ed25519 !!!!",
		"cut":        good[:50], "another type": strings.Replace(good, "ssh-ed25519", "ssh-rsa", 1),
		"private": string(k.read("ed25519")),
	} {
		if key, err := PublicKey([]byte(bad)); err == nil {
			t.Errorf("%s: read as %s", name, Fingerprint(key))
		}
	}
	if _, err := FileSigner([]byte(good), nil); err == nil || !strings.Contains(err.Error(),
		".pub") {
		t.Errorf("a public key signs, or no hint: %v", err)
	}
}

func TestCertificateOfAnotherKey(t *testing.T) {
	k := newKeygen(t)
	for _, name := range []string{"ca", "key", "other"} {
		k.key(name, "-t", "ed25519")
	}
	k.run(nil, "-q", "-s", "ca", "-I", "id", "-n", "anna", "key.pub")
	if _, err := withCertificate(k.signer("other"), k.public("key-cert.pub")); err == nil {
		t.Error("another key took the certificate")
	}
	if _, err := withCertificate(k.signer("key"), k.public("key.pub")); err == nil {
		t.Error("a plain key is a certificate")
	}
	if _, err := AgentSigner(agent.NewKeyring(), k.public("key-cert.pub")); err == nil ||
		!strings.Contains(err.Error(), "ssh-add") {
		t.Errorf("an empty agent: %v", err)
	}
}
