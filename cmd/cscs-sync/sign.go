package main

import (
	"errors"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/cmd/internal/signing"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// keys finds the keys that people sign with.
func (a *app) keys() signing.Finder { return signing.Finder{Terminal: a.term, Stop: a.stop} }

// sign signs with an SSH key, from its file or in the agent.
func (o *approveOptions) sign(a *app, file *planfile.File) (approval.Approval, error) {
	key, err := a.keys().Private(o.key)
	if err != nil {
		return approval.Approval{}, err
	}
	defer key.Close()
	name, err := o.principal(a, key.Public())
	if err != nil {
		return approval.Approval{}, err
	}
	m := o.message(a, file, name)
	how := "with the SSH key " + approval.Fingerprint(key.Public())
	if err := a.confirmMessage(file, m, how); err != nil {
		return approval.Approval{}, err
	}
	return key.Sign(m)
}

// principal returns the name to sign as: --as, or the name that allowed_signers gives the key.
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

// allowedSigners returns the signers of the configuration, if there is one here.
func (a *app) allowedSigners() (*approval.Signers, string, error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, "", err
	}
	path := s.Config.Approval.AllowedSigners
	if path == "" {
		return nil, "", errors.New("the configuration has no approval.allowed_signers")
	}
	signers, err := a.readSigners(path)
	return signers, path, err
}
