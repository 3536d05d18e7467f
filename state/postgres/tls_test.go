package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// authority is a certificate authority made for a test.
type authority struct {
	t           testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// file has its certificate.
	file string
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), file: filepath.Join(t.TempDir(), "ca.crt")}
	draft := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		IsCA:      true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}
	a.certificate = draft
	var text []byte
	a.certificate, text = a.sign(draft, &a.key.PublicKey)
	if err := os.WriteFile(a.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(draft *x509.Certificate,
	key *ecdsa.PublicKey) (*x509.Certificate, []byte) {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, draft, a.certificate, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// server returns the certificate and the key of a server at an address.
func (a *authority) server(address string) (certificate, key []byte) {
	a.t.Helper()
	own := newKey(a.t)
	_, certificate = a.sign(&x509.Certificate{SerialNumber: big.NewInt(2),
		Subject:   pkix.Name{CommonName: address},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, &own.PublicKey)
	der, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// TestTLS: a server is trusted only with a certificate by the authority that the URL names, for the
// address that the URL names.
func TestTLS(t *testing.T) {
	s := pgtest.Start(t)
	s.Database(t, "waldur")
	ours, others := newAuthority(t, "ours"), newAuthority(t, "another")
	url := func(port int, a *authority, mode string) string {
		return fmt.Sprintf("postgres://postgres:geheim@127.0.0.1:%d/waldur?sslmode=%s&sslrootcert=%s",
			port, mode, a.file)
	}
	certificate, key := ours.server("127.0.0.1")
	port := s.ListenTLS(t, certificate, key)
	e := open(t, url(port, ours, "verify-full"), "alps")
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	d, err := e.Durability(t.Context())
	if err != nil || !d.TLS || d.Local {
		t.Errorf("%+v, %v", d, err)
	}
	refused := func(what, url, want string) {
		t.Helper()
		err := put(open(t, url, "alps"), "k", "2")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("another authority", url(port, others, "verify-full"), "certificate is not trusted")
	refused("no TLS", url(port, ours, "disable"), "requires TLS")
	certificate, key = ours.server("127.0.0.2")
	port = s.ListenTLS(t, certificate, key)
	refused("a certificate for another address", url(port, ours, "verify-full"), "certificate is not trusted")
	if got := get(t, open(t, url(port, ours, "verify-ca"), "alps"), "k"); got != "1" {
		t.Errorf("%q", got)
	}
}
