package approval

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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
	for name, a := range map[string]agent.Agent{"ssh-agent": realAgent(t),
		"keyring": agent.NewKeyring()} {
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

// tokenAgent is an agent with one key, on a security token made of software. The stock agent would
// need a helper program and a real token.
type tokenAgent struct {
	agent.Agent
	token token
}

func (a tokenAgent) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: a.token.public.Type(), Blob: a.token.public.Marshal(),
		Comment: "token"}}, nil
}

func (a tokenAgent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	if !bytes.Equal(key.Marshal(), a.token.public.Marshal()) {
		return nil, errors.New("no such key")
	}
	return a.token.Sign(rand.Reader, data)
}

// served talks to an agent by the agent protocol, over a socket.
func served(t *testing.T, a agent.Agent) agent.ExtendedAgent {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = agent.ServeAgent(a, conn)
	})
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = conn.Close(), listener.Close()
		wg.Wait()
	})
	return agent.NewClient(conn)
}

func TestSecurityTokensThroughAnAgent(t *testing.T) {
	k := newKeygen(t)
	for name, make := range map[string]func(*testing.T,
		byte) token{"ed25519": tokenED25519, "ecdsa": tokenECDSA} {
		for _, flags := range []byte{touched, 0} {
			key := make(t, flags)
			s, err := AgentSigner(served(t, tokenAgent{agent.NewKeyring(), key}), key.public)
			if err != nil {
				t.Fatal(err)
			}
			a, err := SSH(rand.Reader, testMessage(), s)
			if flags == 0 {
				if err == nil {
					t.Errorf("%s: an agent's signature without a touch is taken", name)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			allowed := "anna@example.com " + string(ssh.MarshalAuthorizedKey(key.public))
			if out, err := k.verify(a, allowed); err != nil {
				t.Errorf("%s: the stock tool refuses it: %s", name, out)
			}
			if err := ours(t, a, allowed); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// An RSA key signs with SHA-512. Its default is SHA-1, which neither tool accepts.
func TestRSASignsBySHA512(t *testing.T) {
	k := newKeygen(t)
	k.key("key", "-t", "rsa", "-b", "2048")
	keyring := agent.NewKeyring()
	raw, err := ssh.ParseRawPrivateKey(k.read("key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
		t.Fatal(err)
	}
	inAgent, err := AgentSigner(served(t, keyring), k.public("key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for who, s := range map[string]ssh.Signer{"file": k.signer("key"), "agent": inAgent} {
		parts, err := parseSSHSIG(signedBy(t, testMessage(), s).Proof)
		if err != nil || parts.signature.Format != ssh.KeyAlgoRSASHA512 {
			t.Errorf("%s: %s, %v", who, parts.signature.Format, err)
		}
	}
}

// liar is a signer that returns a signature of something else.
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
		k.run(nil, "-q", "-s", "ca", "-I", "id", "-n", "anna@example.com", "-V",
			"20261101:20261201", "key.pub")
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
