package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/waldur/cscs-storage-sync/cmd/internal/stop"
	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
	"github.com/waldur/cscs-storage-sync/planner/approval"
)

// person has a key in two files, and perhaps an agent.
type person struct {
	t               *testing.T
	private, public string
	key             ssh.PublicKey
	raw             ed25519.PrivateKey
	finder          Finder
	socket          string
}

func newPerson(t *testing.T, passphrase string) *person {
	t.Helper()
	dir := t.TempDir()
	p := &person{t: t, private: filepath.Join(dir, "key"), public: filepath.Join(dir, "key.pub")}
	_, raw, err := ed25519.GenerateKey(rand.Reader)
	p.must(err)
	p.raw = raw
	p.key, err = ssh.NewPublicKey(raw.Public())
	p.must(err)
	block, err := ssh.MarshalPrivateKey(raw, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(raw, "", []byte(passphrase))
	}
	p.must(err)
	p.must(os.WriteFile(p.private, pem.EncodeToMemory(block), 0o600))
	p.must(os.WriteFile(p.public, ssh.MarshalAuthorizedKey(p.key), 0o600))
	x := &terminal.Terminal{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{},
		Is: func(any) bool { return false }, Getenv: func(name string) (string, bool) {
			return p.socket, name == "SSH_AUTH_SOCK"
		}}
	p.finder = Finder{Terminal: x, Stop: stop.New(stop.Usual, t.Logf, func() { t.Error("ended") })}
	return p
}

func (p *person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// listens has serve answer at the socket of the person's agent.
func (p *person) listens(serve func(net.Conn)) {
	p.socket = filepath.Join(p.t.TempDir(), "agent")
	l, err := net.Listen("unix", p.socket)
	p.must(err)
	p.t.Cleanup(func() { l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			serve(conn)
		}
	}()
}

// signs has a key sign, and checks that it is the person's.
func (p *person) signs(path string) {
	p.t.Helper()
	key, err := p.finder.Private(path)
	p.must(err)
	defer key.Close()
	if got := key.Public().Marshal(); !bytes.Equal(got, p.key.Marshal()) {
		p.t.Error("it is another key")
	}
	m := approval.Message{Plan: "sha256:" + strings.Repeat("a", 64),
		Context: "sha256:" + strings.Repeat("b", 64), Name: "anna",
		Time: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)}
	signed, err := key.Sign(m)
	p.must(err)
	if signed.Message.Name != "anna" {
		p.t.Errorf("%+v", signed.Message)
	}
}

func TestKeyInFile(t *testing.T) {
	p := newPerson(t, "")
	p.signs(p.private)
	for _, path := range []string{p.private, p.public} {
		key, err := p.finder.Public(path)
		p.must(err)
		if !bytes.Equal(key.Marshal(), p.key.Marshal()) {
			t.Errorf("%s: it is another key", path)
		}
	}
}

func TestKeyInAgent(t *testing.T) {
	p := newPerson(t, "")
	ring := agent.NewKeyring()
	p.must(ring.Add(agent.AddedKey{PrivateKey: p.raw}))
	p.listens(func(c net.Conn) { _ = agent.ServeAgent(ring, c) })
	p.signs(p.public)
}

// TestUnusableKeys: each says what is wrong, with the file's name.
func TestUnusableKeys(t *testing.T) {
	p := newPerson(t, "secret")
	empty := filepath.Join(t.TempDir(), "empty")
	p.must(os.WriteFile(empty, nil, 0o600))
	for path, want := range map[string]string{
		p.private: "key " + p.private + " has a passphrase, and there is no terminal to ask for it; " +
			"use the SSH agent and the public key",
		p.public: "key " + p.public + ": it is a public key, and no SSH agent runs " +
			"(SSH_AUTH_SOCK is not set); give the private key's file, or start an agent",
		empty:            "",
		"/nowhere/to/be": "read key: ",
	} {
		_, err := p.finder.Private(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestAgentThatDoesNotAnswer: the wait ends as soon as the process is asked to stop.
func TestAgentThatDoesNotAnswer(t *testing.T) {
	p := newPerson(t, "")
	asked := make(chan struct{})
	p.listens(func(net.Conn) {
		p.finder.Stop.Ask()
		<-asked
	})
	defer close(asked)
	_, err := p.finder.Private(p.public)
	var interrupted *stop.InterruptedError
	if !errors.As(err, &interrupted) || !strings.Contains(err.Error(), "the SSH agent at "+p.socket+"; nothing was done") {
		t.Errorf("%v", err)
	}
}
