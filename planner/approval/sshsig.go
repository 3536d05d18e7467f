package approval

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Namespace is the namespace of signatures of plans. A signature made for anything else (a file, a
// commit) proves nothing here.
const Namespace = "cscs-sync-plan"

// The SSHSIG format is described in OpenSSH's PROTOCOL.sshsig.
const (
	sigMagic   = "SSHSIG"
	sigVersion = 1
	hashSHA256 = "sha256"
	hashSHA512 = "sha512"
)

type sigBlob struct {
	Magic     [6]byte
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

type sigData struct {
	Magic     [6]byte
	Namespace string
	Reserved  string
	Hash      string
	Digest    []byte
}

// sshsig is a parsed signature.
type sshsig struct {
	key       ssh.PublicKey
	hash      string
	signature *ssh.Signature
}

func (s sshsig) blob() []byte {
	return ssh.Marshal(sigBlob{
		Magic: [6]byte([]byte(sigMagic)), Version: sigVersion, PublicKey: s.key.Marshal(),
		Namespace: Namespace, Hash: s.hash, Signature: ssh.Marshal(s.signature),
	})
}

// signedData returns the data that the key signs: the namespace and the digest of the text, not the
// text.
func signedData(hash string, text []byte) []byte {
	d := sigData{Magic: [6]byte([]byte(sigMagic)), Namespace: Namespace, Hash: hash}
	if hash == hashSHA256 {
		sum := sha256.Sum256(text)
		d.Digest = sum[:]
	} else {
		sum := sha512.Sum512(text)
		d.Digest = sum[:]
	}
	return ssh.Marshal(d)
}

// parseSSHSIG parses a blob. It accepts only a blob that encodes to the same bytes again.
func parseSSHSIG(blob []byte) (sshsig, error) {
	var b sigBlob
	if err := ssh.Unmarshal(blob, &b); err != nil || string(b.Magic[:]) != sigMagic {
		return sshsig{}, fmt.Errorf(
			"ssh signature: not in the SSHSIG format; make it with ssh-keygen -Y sign -n %s",
			Namespace)
	}
	if b.Version != sigVersion {
		return sshsig{}, fmt.Errorf("ssh signature: version %d is unknown, want %d", b.Version,
			sigVersion)
	}
	if b.Namespace != Namespace {
		return sshsig{}, fmt.Errorf(
			"ssh signature: made for the namespace %.60q; sign again with ssh-keygen -Y sign -n %s",
			b.Namespace,
			Namespace)
	}
	if b.Hash != hashSHA256 && b.Hash != hashSHA512 {
		return sshsig{}, fmt.Errorf("ssh signature: hash %.40q is not accepted, only %s and %s",
			b.Hash, hashSHA512, hashSHA256)
	}
	key, err := ssh.ParsePublicKey(b.PublicKey)
	if err != nil {
		return sshsig{}, fmt.Errorf("ssh signature: its public key: %w", err)
	}
	if err := checkKey(key); err != nil {
		return sshsig{}, fmt.Errorf("ssh signature: %w", err)
	}
	s := sshsig{key: key, hash: b.Hash, signature: new(ssh.Signature)}
	if err := ssh.Unmarshal(b.Signature, s.signature); err != nil {
		return sshsig{}, fmt.Errorf("ssh signature: its inner signature: %w", err)
	}
	if err := checkSignatureFormat(key, s.signature); err != nil {
		return sshsig{}, err
	}
	if !bytes.Equal(s.blob(), blob) {
		return sshsig{}, fmt.Errorf(
			"ssh signature: not in its canonical form; sign again with ssh-keygen -Y sign")
	}
	return s, nil
}

// checkSignatureFormat accepts the formats that belong to the key; for RSA never "ssh-rsa", which
// is SHA-1. After the signature, only a security token may add its flags and counter.
func checkSignatureFormat(key ssh.PublicKey, s *ssh.Signature) error {
	want := []string{plainKey(key).Type()}
	if want[0] == ssh.KeyAlgoRSA {
		want = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	if !slices.Contains(want, s.Format) {
		return fmt.Errorf("ssh signature: format %.60q is not accepted for a key of type %s, "+
			"only %v", s.Format, key.Type(), want)
	}
	if len(s.Rest) != 0 && !onToken(key) {
		return fmt.Errorf("ssh signature: %d bytes too many", len(s.Rest))
	}
	return nil
}

// SSH signs the message. It verifies the signature before it returns it, because an agent could
// return anything.
func SSH(random io.Reader, m Message, signer ssh.Signer) (Approval, error) {
	text, err := m.Text()
	if err != nil {
		return Approval{}, err
	}
	if err := checkKey(signer.PublicKey()); err != nil {
		return Approval{}, fmt.Errorf("sign approval: %w", err)
	}
	signature, err := signWith(random, signer, signedData(hashSHA512, text))
	if err != nil {
		return Approval{}, fmt.Errorf("sign approval with %s: %w", Fingerprint(signer.PublicKey()),
			err)
	}
	a := Approval{Message: m, Kind: KindSSH, Proof: sshsig{signer.PublicKey(), hashSHA512,
		signature}.blob()}
	if err := a.check(); err != nil {
		return Approval{}, err
	}
	if _, err := a.verifySSH(); err != nil {
		return Approval{}, fmt.Errorf("sign approval: the signature just made does not verify: %w",
			err)
	}
	return a, nil
}

// signWith asks RSA keys for SHA-512, because their default is SHA-1.
func signWith(random io.Reader, signer ssh.Signer, data []byte) (*ssh.Signature, error) {
	if plainKey(signer.PublicKey()).Type() != ssh.KeyAlgoRSA {
		return signer.Sign(random, data)
	}
	s, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("this RSA key cannot sign with %s; use another key",
			ssh.KeyAlgoRSASHA512)
	}
	return s.SignWithAlgorithm(random, data, ssh.KeyAlgoRSASHA512)
}

// FromSSHSIG makes an approval from the text of a message and the signature that ssh-keygen -Y sign
// made of it.
func FromSSHSIG(text, armored []byte) (Approval, error) {
	m, err := ParseMessage(text)
	if err != nil {
		return Approval{}, err
	}
	blob, err := unarmor(armored)
	if err != nil {
		return Approval{}, err
	}
	a := Approval{Message: m, Kind: KindSSH, Proof: blob}
	if err := a.check(); err != nil {
		return Approval{}, err
	}
	_, err = a.verifySSH()
	return a, err
}

// verifySSH checks the signature and returns the key or certificate that made it. [Signers] know
// whose key it is.
func (a Approval) verifySSH() (ssh.PublicKey, error) {
	text, err := a.Message.Text()
	if err != nil {
		return nil, err
	}
	s, err := parseSSHSIG(a.Proof)
	if err != nil {
		return nil, err
	}
	// Certificates are verified with their key. Keys on tokens must have been touched, which x/crypto
	// checks.
	if err := plainKey(s.key).Verify(signedData(s.hash, text), s.signature); err != nil {
		return nil, fmt.Errorf("ssh signature by %s does not fit the message: %w",
			Fingerprint(s.key), err)
	}
	return s.key, nil
}
