package approval

import (
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// realAgent starts the stock ssh-agent and connects to it.
func realAgent(t *testing.T) agent.ExtendedAgent {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	c := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	for range 200 {
		if conn, err := net.Dial("unix", socket); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return agent.NewClient(conn)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("ssh-agent does not listen")
	return nil
}

func TestAgents(t *testing.T) {
	for name, a := range map[string]agent.Agent{"ssh-agent": realAgent(t), "keyring": agent.NewKeyring()} {
		t.Run(name, func(t *testing.T) {
			for kind, args := range keyKinds() {
				k := newKeygen(t)
				allowed := "anna@example.com " + k.key("key", args...) + "\n"
				if _, err := AgentSigner(a, k.public("key.pub")); err == nil {
					t.Fatalf("%s: signs with a key that it does not have", kind)
				}
				raw, err := ssh.ParseRawPrivateKey(k.read("key"))
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
					t.Fatal(err)
				}
				s, err := AgentSigner(a, k.public("key.pub"))
				if err != nil {
					t.Fatal(err)
				}
				signed := signedBy(t, testMessage(), s)
				if out, err := k.verify(signed, allowed); err != nil {
					t.Errorf("%s: the stock tool refuses it: %s", kind, out)
				}
				if err := ours(t, signed, allowed); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
		})
	}
}

// liar answers with a signature of something else.
type liar struct{ ssh.Signer }

func (l liar) Sign(random io.Reader, _ []byte) (*ssh.Signature, error) {
	return l.Signer.Sign(random, []byte("something else"))
}

func TestAnAgentsAnswerIsVerified(t *testing.T) {
	k := newKeygen(t)
	k.key("key", "-t", "ed25519")
	if _, err := SSH(rand.Reader, testMessage(), liar{k.signer("key")}); err == nil {
		t.Error("a signature of something else was taken")
	}
}

func TestAgentWithCertificate(t *testing.T) {
	for _, held := range []string{"key", "certificate"} {
		k := newKeygen(t)
		ca := k.key("ca", "-t", "ed25519")
		k.key("key", "-t", "rsa", "-b", "2048")
		k.run(nil, "-q", "-s", "ca", "-I", "id", "-n", "anna@example.com", "-V", "20261101:20261201", "key.pub")
		raw, err := ssh.ParseRawPrivateKey(k.read("key"))
		if err != nil {
			t.Fatal(err)
		}
		add := agent.AddedKey{PrivateKey: raw}
		if held == "certificate" {
			add.Certificate = k.public("key-cert.pub").(*ssh.Certificate)
		}
		a := realAgent(t)
		if err := a.Add(add); err != nil {
			t.Fatal(err)
		}
		s, err := AgentSigner(a, k.public("key-cert.pub"))
		if err != nil {
			t.Fatal(err)
		}
		signed, allowed := signedBy(t, testMessage(), s), "* cert-authority "+ca
		if out, err := k.verify(signed, allowed); err != nil {
			t.Errorf("agent with %s: %s", held, out)
		}
		if err := ours(t, signed, allowed); err != nil {
			t.Errorf("agent with %s: %v", held, err)
		}
	}
}
