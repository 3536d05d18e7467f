// Package session opens what one command works with: the configuration, the state, and on them the
// engine and the loop, with the real things behind their interfaces.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// How long things may take. A listing has proxy.timeout; the rest is fixed.
const (
	CallbackTimeout = 60 * time.Second
	MountTimeout    = 10 * time.Second
)

// Process is the part of the process that a session uses.
type Process struct {
	// Who is the person's login, and Host this node's name.
	Who, Host string
	// Version is that of the program.
	Version string
	Now     func() time.Time
	// Stdin is where a listing is read from if its file is "-".
	Stdin     io.Reader
	Transport http.RoundTripper
	// Variables are values of the configuration's variables from the command line.
	Variables []config.VariableInput
	// CallbackTimeout and MountTimeout are how long Waldur and a mount may take to answer.
	CallbackTimeout, MountTimeout time.Duration
	// Kernel answers quota ioctls instead of the kernel, and Locker replaces the lock for changes
	// of the storage. Both are nil except in tests.
	Kernel func(dir string, quotactl []byte) error
	Locker func(ledger.Locker) ledger.Locker
	// Hooks are the engine's hooks. The session sets Stage and Listed. Waits and Progress must not
	// be nil.
	Hooks engine.Hooks
	// Warn shows a warning to the user.
	Warn func(format string, args ...any)
	// Diagnostics shows the warnings of a configuration.
	Diagnostics func(hcl.Diagnostics, map[string]*hcl.File)
	Log         *slog.Logger
}

// Session is the configuration and the state of one command.
type Session struct {
	Config  *config.Config
	Store   *state.Store
	Process Process

	// site is nil until something of the configuration is opened.
	site *site.Site
	// leadership decides whether this node's loop leads; nil without a loop.
	leadership *state.Leadership
	// beat is called at each stage of a round with the time that the stage may take; nil without a
	// loop.
	beat   func(stage string, allowed time.Duration)
	memory memory
}

// InvalidError reports that a configuration is invalid. Terminals show it as diagnostics.
type InvalidError struct {
	Diagnostics hcl.Diagnostics
	Files       map[string]*hcl.File
}

// Error returns the diagnostics in short form.
func (e *InvalidError) Error() string { return e.Diagnostics.Error() }

// Find returns the path of the configuration: the one that is given, else ./cscs-sync.hcl, else
// /etc/cscs-sync.
func Find(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	for _, path := range []string{"cscs-sync.hcl", "/etc/cscs-sync"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find the configuration: neither ./cscs-sync.hcl nor /etc/cscs-sync " +
		"exists; name one with " +
		"--config, or write one with `cscs-sync init`")
}

// Open loads the configuration at a path, shows its warnings, and names the state. A configuration
// that is not valid is an [*InvalidError].
func Open(path string, secrets config.SecretMode, p Process) (*Session, error) {
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: secrets, StateURL: true,
		Variables: p.Variables})
	files := map[string]*hcl.File{}
	if cfg != nil {
		files = cfg.Sources
	}
	if diags.HasErrors() {
		return nil, &InvalidError{diags, files}
	}
	p.Diagnostics(diags, files)
	store, err := openStore(cfg, &p)
	if err != nil {
		return nil, err
	}
	return &Session{Config: cfg, Store: store, Process: p}, nil
}

// Change changes the state, under the lock that an apply takes, too.
func (s *Session) Change(ctx context.Context,
	change func(tx ledger.Tx, by ledger.Person) error) error {
	return s.alone(ctx, func() error {
		return s.Store.Update(func(tx ledger.Tx) error { return change(tx, s.Person()) })
	})
}

// alone does something while no apply runs.
func (s *Session) alone(ctx context.Context, do func() error) (err error) {
	lock, err := s.Store.Lock(ctx, s.holder(), 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return do()
}

// holder returns this process as a holder of the lock.
func (s *Session) holder() ledger.Holder {
	return ledger.Holder{Who: s.Process.Who, Host: s.Process.Host, PID: os.Getpid(),
		Since: s.Process.Now()}
}

// Person returns the person who changes the state.
func (s *Session) Person() ledger.Person {
	return ledger.Person{Who: s.Process.Who, Host: s.Process.Host}
}

// Node returns this node's name among the nodes that share the state.
func (s *Session) Node() string { return s.Config.Node(s.Process.Host) }

// Rules returns what the configuration requires of approvals.
func (s *Session) Rules() (approval.Rules, error) {
	r := approval.Rules{Required: s.Config.Approval.Required, ValidFor: s.Config.Approval.ValidFor}
	if path := s.Config.Approval.AllowedSigners; path != "" {
		signers, err := s.Process.Signers(path)
		if err != nil {
			return r, err
		}
		r.Signers = signers
	}
	key, err := s.Store.ReadApprovalKey() // with signers, the policy's approvals are by it
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // nobody has approved anything here yet
	}
	if err != nil {
		return r, err
	}
	r.LocalKey, err = approval.NewLocalKey(key)
	return r, err
}

// Signers reads allowed_signers and warns about lines that it can't use.
func (p *Process) Signers(path string) (*approval.Signers, error) {
	data, err := state.ReadFile(path, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("read allowed signers: %w", err)
	}
	signers, err := approval.ParseSigners(data, p.Now().Location())
	if err != nil {
		return nil, fmt.Errorf("allowed signers %s: %w", path, err)
	}
	for _, problem := range signers.Problems() {
		p.Warn("Warning: %s: %v", render.Escape(path), problem)
	}
	return signers, nil
}

// localKey returns the node's own key. It creates the key if there is none.
func (s *Session) localKey() (approval.LocalKey, error) {
	raw, err := s.Store.ApprovalKey()
	if err != nil {
		return approval.LocalKey{}, err
	}
	return approval.NewLocalKey(raw)
}
