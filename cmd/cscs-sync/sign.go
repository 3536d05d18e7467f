package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/cmd/internal/prompt"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers/sshagent"
	"github.com/waldur/cscs-storage-sync/state"
)

// maxKey bounds a file with a key or a signature.
const maxKey = 1 << 20

// sign signs with an SSH key, from its file or in the agent.
func (o *approveOptions) sign(a *app, file *planfile.File) (approval.Approval, error) {
	data, err := state.ReadFile(o.key, maxKey)
	if err != nil {
		return approval.Approval{}, fmt.Errorf("read key: %w", err)
	}
	signer, closeAgent, err := a.signer(o.key, data)
	if err != nil {
		return approval.Approval{}, err
	}
	defer closeAgent()
	key := signer.PublicKey()
	name, err := o.principal(a, key)
	if err != nil {
		return approval.Approval{}, err
	}
	m := o.message(a, file, name)
	if err := a.confirmMessage(file, m, "with the SSH key "+approval.Fingerprint(key)); err != nil {
		return approval.Approval{}, err
	}
	signed, err := approval.SSH(rand.Reader, m, signer)
	if err != nil && a.stopped() {
		err = interrupted("the signature by " + o.key)
	}
	return signed, err
}

// principal is the name to sign as: --as, else the one that allowed_signers gives the key.
func (o *approveOptions) principal(a *app, key ssh.PublicKey) (string, error) {
	if o.name != "" {
		return o.name, nil
	}
	signers, path, err := a.allowedSigners()
	if err != nil {
		a.printError(err) // diagnostics, perhaps
		return "", &usageError{"approve", errors.New("the approver is not known and could not be " +
			"looked up: say it with --as NAME, a principal that allowed_signers gives the key")}
	}
	name, err := signers.Principal(key, a.now(), path)
	if err != nil {
		return "", &usageError{"approve", err}
	}
	return name, nil
}

// allowedSigners are those of the configuration, if it can be read here.
func (a *app) allowedSigners() (*approval.Signers, string, error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, "", err
	}
	path := s.cfg.Approval.AllowedSigners
	if path == "" {
		return nil, "", errors.New("the configuration has no approval.allowed_signers")
	}
	signers, err := a.readSigners(path)
	return signers, path, err
}

// publicKey is the public half of a key, from either half's file.
func (a *app) publicKey(path string) (ssh.PublicKey, error) {
	data, err := state.ReadFile(path, maxKey)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := approval.PublicHalf(data, func() ([]byte, error) { return a.passphrase(path) })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return key, nil
}

// signer finds the private half of a key: in the file, or in the agent when the file is a public
// key.
func (a *app) signer(path string, data []byte) (ssh.Signer, func(), error) {
	none := func() {}
	if !approval.IsPublicKey(data) {
		s, err := approval.FileSigner(data, func() ([]byte, error) { return a.passphrase(path) })
		return s, none, err
	}
	public, err := approval.PublicKey(data)
	if err != nil {
		return nil, none, fmt.Errorf("key %s: %w", path, err)
	}
	socket, ok := a.getenv("SSH_AUTH_SOCK")
	if !ok || socket == "" {
		return nil, none, fmt.Errorf("key %s: it is a public key, and no SSH agent runs "+
			"(SSH_AUTH_SOCK is not set); give the private key's file, or start an agent", path)
	}
	ended := a.waitsFor("the SSH agent at " + socket)
	ctx, end := a.looking(context.Background())
	done := func() {
		end()
		ended()
	}
	signer, closeAgent, err := sshagent.Signer(ctx, socket, public)
	if err != nil {
		if a.stopped() {
			err = interrupted("the SSH agent at " + socket)
		}
		done()
		return nil, none, err
	}
	return signer, func() {
		closeAgent()
		done()
	}, nil
}

// passphrase asks for a key's passphrase, on the terminal only.
func (a *app) passphrase(path string) ([]byte, error) {
	f, ok := a.stdin.(*os.File)
	if !ok || !a.terminal(a.stdin) {
		return nil, fmt.Errorf("key %s has a passphrase, and there is no terminal to ask for it; "+
			"use the SSH agent and the public key", path)
	}
	defer a.waitsFor("the passphrase of " + path)()
	got, err := prompt.Passphrase(f, a.stderr, "Passphrase for "+path+": ", a.stop)
	switch {
	case errors.Is(err, prompt.ErrStopped):
		return nil, interrupted("the passphrase of " + path)
	case err != nil:
		return nil, fmt.Errorf("ask for the passphrase of key %s: %w", path, err)
	}
	return got, nil
}
