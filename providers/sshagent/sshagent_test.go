package sshagent_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/waldur/cscs-storage-sync/providers/sshagent"
)

// key returns a new key and its public half.
func key(t *testing.T) (ed25519.PrivateKey, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return private, p
}

// listen returns a socket on which serve answers the first connection.
func listen(t *testing.T, serve func(net.Conn)) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			serve(conn)
		}
	}()
	return socket
}

// TestSigner: the agent signs with the key that is asked for, and with no other.
func TestSigner(t *testing.T) {
	t.Parallel()
	private, public := key(t)
	_, other := key(t)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	serve := func(c net.Conn) { _ = agent.ServeAgent(ring, c) }
	s, done, err := sshagent.Signer(t.Context(), listen(t, serve), public)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	signature, err := s.Sign(rand.Reader, []byte("text"))
	if err == nil {
		err = public.Verify([]byte("text"), signature)
	}
	if err != nil {
		t.Error(err)
	}
	if _, _, err := sshagent.Signer(t.Context(), listen(t, serve), other); err == nil {
		t.Error("the agent does not have the key, and signs")
	}
	if _, _, err := sshagent.Signer(t.Context(), "/nothing/here", public); err == nil ||
		!strings.Contains(err.Error(), "ask the SSH agent") {
		t.Errorf("no agent: %v", err)
	}
}

// TestSilentAgent: the end of the context ends the wait for an agent that never answers.
func TestSilentAgent(t *testing.T) {
	t.Parallel()
	_, public := key(t)
	asked := make(chan struct{})
	socket := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		close(asked)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	failed := make(chan error, 1)
	go func() {
		_, _, err := sshagent.Signer(ctx, socket, public)
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a silent agent signs")
		}
	case <-time.After(30 * time.Second):
		t.Error("the context has ended, and the wait has not")
	}
}
