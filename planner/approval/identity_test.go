package approval

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// signerOf is the SSH signer of a fresh private key.
func signerOf(t *testing.T, key any, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// certified returns a signer that shows a certificate of its key, a new one each time.
func certified(t *testing.T, s ssh.Signer, ca ssh.Signer, serial uint64) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{Key: s.PublicKey(), CertType: ssh.UserCert, Serial: serial,
		KeyId: "id", ValidPrincipals: []string{testMessage().Name},
		ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	with, err := ssh.NewCertSigner(cert, s)
	if err != nil {
		t.Fatal(err)
	}
	return with
}

// reformed returns other encodings of one signature by one key: those that anybody can make, and
// those that only the key's holder can make.
func reformed(t *testing.T, a Approval, s, ca ssh.Signer) map[string]Approval {
	t.Helper()
	forms := map[string]Approval{"as it is": a, "signed again": signedBy(t, a.Message, s)}
	if _, ok := s.(token); !ok {
		forms["with a certificate"] = signedBy(t, a.Message, certified(t, s, ca, 1))
		forms["with another certificate"] = signedBy(t, a.Message, certified(t, s, ca, 2))
	}
	sig, err := parseSSHSIG(a.Proof)
	if err != nil {
		t.Fatal(err)
	}
	other := hashSHA256
	inner, err := signWith(rand.Reader, s, signedData(other, mustText(t, a.Message)))
	if err != nil {
		t.Fatal(err)
	}
	forms["by another hash"] = Approval{Message: a.Message, Kind: KindSSH,
		Proof: sshsig{sig.key, other, inner}.blob()}
	if k, ok := plainKey(sig.key).(ssh.CryptoPublicKey); ok {
		if pub, ok := k.CryptoPublicKey().(*ecdsa.PublicKey); ok {
			var v struct{ R, S *big.Int }
			if err := ssh.Unmarshal(sig.signature.Blob, &v); err != nil {
				t.Fatal(err)
			}
			v.S = new(big.Int).Sub(pub.Params().N, v.S)
			flipped := *sig.signature
			flipped.Blob = ssh.Marshal(v)
			forms["(r, n-s)"] = Approval{Message: a.Message, Kind: KindSSH,
				Proof: sshsig{sig.key, sig.hash, &flipped}.blob()}
		}
		if _, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok {
			as := s.(ssh.AlgorithmSigner)
			short, err := as.SignWithAlgorithm(rand.Reader,
				signedData(hashSHA512, mustText(t, a.Message)), ssh.KeyAlgoRSASHA256)
			if err != nil {
				t.Fatal(err)
			}
			forms["by RSA's other hash"] = Approval{Message: a.Message, Kind: KindSSH,
				Proof: sshsig{sig.key, hashSHA512, short}.blob()}
		}
	}
	return forms
}

// TestAnApprovalIsTheSameInEveryEncoding: for all kinds of keys, all accepted forms of one approval
// are the same approval. Another message or another key makes another approval.
func TestAnApprovalIsTheSameInEveryEncoding(t *testing.T) {
	ca := person(t, "authority")
	_, edKey, edErr := ed25519.GenerateKey(rand.Reader)
	rsaKey, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
	ec := func(c elliptic.Curve) ssh.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		return signerOf(t, k, err)
	}
	for name, s := range map[string]ssh.Signer{
		"ed25519": signerOf(t, edKey, edErr), "rsa": signerOf(t, rsaKey, rsaErr),
		"ecdsa 256": ec(elliptic.P256()), "ecdsa 384": ec(elliptic.P384()),
		"ecdsa 521":  ec(elliptic.P521()),
		"sk-ed25519": tokenED25519(t, touched), "sk-ecdsa": tokenECDSA(t, touched),
	} {
		a := signedBy(t, testMessage(), s)
		r := rules(t, 1, "anna@example.com "+string(ssh.MarshalAuthorizedKey(s.PublicKey())),
			"anna@example.com cert-authority "+string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
		id := judge(t, r, testTime, mustBlock(t, a, nil)).Approvals[0].ID
		taken := map[string]bool{}
		for form, b := range reformed(t, a, s, ca) {
			block := mustBlock(t, b, nil)
			taken[string(block)] = true
			v := judge(t, r, testTime, block)
			if !v.Enough || v.Approvals[0].ID != id {
				t.Errorf("%s, %s: %+v", name, form, v)
			}
			in := Input{Plan: testPlan, Context: testContext, Blocks: [][]byte{block}, Rules: r,
				Now:  testTime,
				Used: func(j Judged) (time.Time, bool) { return testTime, j.ID == id }}
			if v, err := Judge(in); err != nil || v.Enough {
				t.Errorf("%s, %s serves again: %+v, %v", name, form, v, err)
			}
		}
		if len(taken) < 2 {
			t.Errorf("%s: only %d encodings were tried", name, len(taken))
		}
		later := testMessage()
		later.Time = later.Time.Add(time.Second)
		for what, other := range map[string]Approval{"another time": signedBy(t, later, s),
			"another key": signedBy(t, testMessage(), person(t, "other"))} {
			all := rules(t, 1, "anna@example.com "+string(ssh.MarshalAuthorizedKey(s.PublicKey())),
				"anna@example.com "+public(t, "other"))
			if judge(t, all, testTime, mustBlock(t, other, nil)).Approvals[0].ID == id {
				t.Errorf("%s: %s is the same approval", name, what)
			}
		}
	}
}

// TestLocalApprovalsDiffer: kind, login and message make a local approval what it is.
func TestLocalApprovalsDiffer(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, a Approval, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		id, err := a.identity(nil)
		if err != nil || seen[id] != "" {
			t.Errorf("%s is the same as %s, %v", what, seen[id], err)
		}
		seen[id] = what
	}
	m := testMessage()
	key := testKey(t)
	a, err := Local(m, "anna", key)
	add("anna's", a, err)
	a, err = Local(m, "ben", key)
	add("ben's", a, err)
	a, err = Policy(m, testPlan, "anna", key)
	add("the policy's", a, err)
	m.Comment = "another"
	a, err = Local(m, "anna", key)
	add("with a comment", a, err)
}
