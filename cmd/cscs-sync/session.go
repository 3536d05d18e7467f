package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// session is the configuration and the state of one command.
type session struct {
	app   *app
	cfg   *config.Config
	store *state.Store
	// opened is what the configuration opens, once something was opened.
	opened *site.Site
	// leadership is the loop's part among those of other nodes; nil without a loop.
	leadership *state.Leadership
}

// configuration is the path of the configuration: the flag, else ./cscs-sync.hcl, else
// /etc/cscs-sync.
func (a *app) configuration() (string, error) {
	if a.configPath != "" {
		return a.configPath, nil
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

// open loads the configuration, shows its warnings, and names the state.
func (a *app) open(secrets config.SecretMode) (*session, error) {
	return a.load(secrets, a.term.Diagnostics)
}

// showing shows the diagnostics of a configuration.
type showing = func(hcl.Diagnostics, map[string]*hcl.File)

// load loads the configuration, has its warnings shown, and names the state.
func (a *app) load(secrets config.SecretMode, show showing) (*session, error) {
	path, err := a.configuration()
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: secrets, StateURL: true,
		Variables: a.variables})
	var files = map[string]*hcl.File{}
	if cfg != nil {
		files = cfg.Sources
	}
	if diags.HasErrors() {
		return nil, &diagnosed{diags, files}
	}
	show(diags, files)
	store, err := a.openStore(cfg)
	if err != nil {
		return nil, err
	}
	return &session{app: a, cfg: cfg, store: store}, nil
}

// readPlan reads and checks a plan file.
func (a *app) readPlan(path string) (*planfile.File, error) {
	var data []byte
	var err error
	if files, at := a.heldFiles(path); files != nil {
		data, err = files.Read(at, planfile.MaxSize)
	} else {
		data, err = state.ReadFile(path, planfile.MaxSize)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read plan: %s does not exist; cscs-sync plan --out %[1]s writes it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	file, err := planfile.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", path, err)
	}
	return file, nil
}

// rules are what the configuration requires of approvals. Without the configuration (off the node)
// only signers can be judged.
func (s *session) rules() (approval.Rules, error) {
	r := approval.Rules{Required: s.cfg.Approval.Required, ValidFor: s.cfg.Approval.ValidFor}
	if path := s.cfg.Approval.AllowedSigners; path != "" {
		signers, err := s.app.readSigners(path)
		if err != nil {
			return r, err
		}
		r.Signers = signers
	}
	key, err := s.store.ReadApprovalKey() // with signers, the policy's approvals are by it
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // nobody has approved anything here yet
	}
	if err != nil {
		return r, err
	}
	r.LocalKey, err = approval.NewLocalKey(key)
	return r, err
}

// readSigners reads allowed_signers, and tells of lines that it could not use.
func (a *app) readSigners(path string) (*approval.Signers, error) {
	data, err := state.ReadFile(path, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("read allowed signers: %w", err)
	}
	signers, err := approval.ParseSigners(data, a.now().Location())
	if err != nil {
		return nil, fmt.Errorf("allowed signers %s: %w", path, err)
	}
	for _, p := range signers.Problems() {
		a.term.Tell("Warning: %s: %v", render.Escape(path), p)
	}
	return signers, nil
}

// localKey is the node's own key, which is made where there is none.
func (s *session) localKey() (approval.LocalKey, error) {
	raw, err := s.store.ApprovalKey()
	if err != nil {
		return approval.LocalKey{}, err
	}
	return approval.NewLocalKey(raw)
}
