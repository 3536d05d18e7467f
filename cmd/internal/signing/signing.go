// Package signing finds the SSH key that a person signs with: in a file, or in an SSH agent. It asks
// for a passphrase on the terminal, and whatever it waits for ends when the process is asked to
// stop.
package signing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/cmd/internal/prompt"
	"github.com/waldur/cscs-storage-sync/cmd/internal/stop"
	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/providers/sshagent"
	"github.com/waldur/cscs-storage-sync/state"
)

// MaxSize is the greatest size of a file with a key or a signature, in bytes.
const MaxSize = 1 << 20

// Finder finds keys.
type Finder struct {
	Terminal *terminal.Terminal
	Stop     *stop.Stopper
}

// Key is a key that can sign.
type Key struct {
	signer ssh.Signer
	path   string
	stop   *stop.Stopper
	done   func()
}

// Public returns the public half.
func (k *Key) Public() ssh.PublicKey { return k.signer.PublicKey() }

// Close closes the connection to the agent.
func (k *Key) Close() { k.done() }

// Sign signs a message.
func (k *Key) Sign(m approval.Message) (approval.Approval, error) {
	signed, err := approval.SSH(rand.Reader, m, k.signer)
	if err != nil && k.stop.IsAsked() {
		err = &stop.InterruptedError{For: "the signature by " + k.path}
	}
	return signed, err
}

// Public returns the public half of a key, from either half's file.
func (f Finder) Public(path string) (ssh.PublicKey, error) {
	data, err := state.ReadFile(path, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := approval.PublicHalf(data, func() ([]byte, error) { return f.passphrase(path) })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return key, nil
}

// Private finds the private half of a key: in the file, or in the agent when the file is a public
// key.
func (f Finder) Private(path string) (*Key, error) {
	data, err := state.ReadFile(path, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	k := &Key{path: path, stop: f.Stop, done: func() {}}
	if !approval.IsPublicKey(data) {
		k.signer, err = approval.FileSigner(data, func() ([]byte, error) { return f.passphrase(path) })
	} else {
		err = f.ask(k, data)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// ask has the agent sign for a key, which it knows by its public half.
func (f Finder) ask(k *Key, data []byte) error {
	public, err := approval.PublicKey(data)
	if err != nil {
		return fmt.Errorf("key %s: %w", k.path, err)
	}
	socket, ok := f.Terminal.Getenv("SSH_AUTH_SOCK")
	if !ok || socket == "" {
		return fmt.Errorf("key %s: it is a public key, and no SSH agent runs "+
			"(SSH_AUTH_SOCK is not set); give the private key's file, or start an agent", k.path)
	}
	ended := f.Stop.WaitsFor("the SSH agent at " + socket)
	ctx, end := f.Stop.Looking(context.Background())
	signer, closeAgent, err := sshagent.Signer(ctx, socket, public)
	if err != nil {
		if f.Stop.IsAsked() {
			err = &stop.InterruptedError{For: "the SSH agent at " + socket}
		}
		end()
		ended()
		return err
	}
	k.signer, k.done = signer, func() {
		closeAgent()
		end()
		ended()
	}
	return nil
}

// passphrase asks for a key's passphrase, on the terminal only.
func (f Finder) passphrase(path string) ([]byte, error) {
	in, ok := f.Terminal.In.(*os.File)
	if !ok || !f.Terminal.Is(in) {
		return nil, fmt.Errorf("key %s has a passphrase, and there is no terminal to ask for it; "+
			"use the SSH agent and the public key", path)
	}
	defer f.Stop.WaitsFor("the passphrase of " + path)()
	got, err := prompt.Passphrase(in, f.Terminal.Err, "Passphrase for "+path+": ", f.Stop.Asked())
	switch {
	case errors.Is(err, prompt.ErrStopped):
		return nil, &stop.InterruptedError{For: "the passphrase of " + path}
	case err != nil:
		return nil, fmt.Errorf("ask for the passphrase of key %s: %w", path, err)
	}
	return got, nil
}
