package approval

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// allows returns why this key or certificate may not sign as this name at this time; nil if it may.
func (s *Signers) allows(name string, key ssh.PublicKey, at time.Time) error {
	var why error
	for _, l := range s.lines {
		if !matchList(name, l.principals) || !l.speaksOf(key) {
			continue
		}
		err := l.allows(name, key, at)
		if err == nil {
			return nil
		}
		why = fmt.Errorf("allowed_signers line %d: %w", l.number, err)
	}
	if why != nil {
		return why
	}
	if names := s.Names(key, at); len(names) > 0 {
		return fmt.Errorf("allowed_signers does not give %s the name %q, only %q", Fingerprint(key),
			name, names)
	}
	return fmt.Errorf("allowed_signers does not give %s the name %q", Fingerprint(key), name)
}

// Names returns the names that the key may sign as at this time. It leaves out patterns.
func (s *Signers) Names(key ssh.PublicKey, at time.Time) []string {
	var names []string
	for _, l := range s.lines {
		if !l.speaksOf(key) {
			continue
		}
		for _, n := range l.candidates(key) {
			if checkName(n) == nil && matchList(n, l.principals) && l.allows(n, key, at) == nil &&
				!slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// Principal returns the name that the key may sign as at this time, if there is exactly one. file
// is the name of the allowed_signers file in errors.
func (s *Signers) Principal(key ssh.PublicKey, at time.Time, file string) (string, error) {
	switch names := s.Names(key, at); len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", fmt.Errorf("the approver is not known: %s spells out no name for the key %s; "+
			"give one with --as NAME", file, Fingerprint(key))
	default:
		return "", fmt.Errorf("the approver is not known: %s gives the key %s the names %s; give "+
			"one with --as NAME", file, Fingerprint(key), strings.Join(names, ", "))
	}
}

// candidates returns the names that might be meant: those in a certificate, or those that the line
// lists.
func (l signerLine) candidates(key ssh.PublicKey) []string {
	if c, ok := key.(*ssh.Certificate); ok {
		return c.ValidPrincipals
	}
	return strings.Split(l.principals, ",")
}

// speaksOf reports whether the line is about this key, or about the authority of this certificate.
func (l signerLine) speaksOf(key ssh.PublicKey) bool {
	c, isCert := key.(*ssh.Certificate)
	if isCert != l.options.authority {
		return false
	}
	if isCert {
		key = c.SignatureKey
	}
	return bytes.Equal(key.Marshal(), l.key.Marshal())
}

// allows checks everything except the principals pattern and the key, which the caller has matched.
func (l signerLine) allows(name string, key ssh.PublicKey, at time.Time) error {
	if c, ok := key.(*ssh.Certificate); ok {
		if err := checkCertificate(c, name, at); err != nil {
			return err
		}
	}
	o := l.options
	if o.hasNamespaces && !matchList(Namespace, o.namespaces) {
		return fmt.Errorf("the key is not for the namespace %s, only for %q", Namespace,
			o.namespaces)
	}
	if !o.after.IsZero() && at.Before(o.after) {
		return fmt.Errorf("the key is valid only from %s", showTime(o.after))
	}
	if !o.before.IsZero() && at.After(o.before) {
		return fmt.Errorf("the key was valid only until %s", showTime(o.before))
	}
	return nil
}

// checkCertificate accepts a user certificate that has this name, is valid at this time, was signed
// by its authority, and has no critical options: those restrict logins, and signing is no login.
func checkCertificate(c *ssh.Certificate, name string, at time.Time) error {
	if c.CertType != ssh.UserCert {
		return fmt.Errorf("the certificate %.60q is not a user's", c.KeyId)
	}
	if len(c.ValidPrincipals) == 0 {
		return fmt.Errorf("the certificate %.60q names no principals", c.KeyId)
	}
	if err := checkKey(c.SignatureKey); err != nil {
		return fmt.Errorf("the certificate's authority: %w", err)
	}
	if err := checkSignatureFormat(c.SignatureKey, c.Signature); err != nil {
		return fmt.Errorf("the certificate %.60q: %w", c.KeyId, err)
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return at }}
	if err := checker.CheckCert(name, c); err != nil {
		return fmt.Errorf("the certificate %.60q: %w", c.KeyId, err)
	}
	return nil
}

// showTime formats a time for people.
func showTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
