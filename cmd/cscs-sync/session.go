package main

import (
	"net/http"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// transport returns the one HTTP transport of the process, because each transport keeps its own
// connections. It verifies TLS.
func (a *app) transport() http.RoundTripper {
	a.connect.Do(func() { a.connections = web.NewTransport(http.ProxyFromEnvironment, nil) })
	return a.connections
}

// process returns what a session may use of this process.
func (a *app) process() session.Process {
	return session.Process{Who: a.user, Host: a.host, Version: build.Version(), Now: a.now,
		Stdin: a.term.In, Transport: a.transport(), Variables: a.variables,
		CallbackTimeout: a.callbackTimeout, MountTimeout: a.mountTimeout, Kernel: a.kernel,
		Locker: a.locker, Warn: a.term.Tell, Diagnostics: a.term.Diagnostics, Log: a.log,
		Hooks: engine.Hooks{Stop: a.stop.Asked(), Waits: a.stop.WaitsFor, Progress: a.term.Progress,
			Changing: a.stop.BySelf, Reached: a.reached}}
}

// configuration returns the path of the configuration.
func (a *app) configuration() (string, error) { return session.Find(a.configPath) }

// open loads the configuration, shows its warnings, and opens the state by name.
func (a *app) open(secrets config.SecretMode) (*session.Session, error) {
	return a.openFor(secrets, a.process())
}

func (a *app) openFor(secrets config.SecretMode, p session.Process) (*session.Session, error) {
	path, err := a.configuration()
	if err != nil {
		return nil, err
	}
	return session.Open(path, secrets, p)
}

// quietly opens the configuration without showing warnings.
func (a *app) quietly() (*session.Session, error) {
	p := a.process()
	p.Diagnostics = func(hcl.Diagnostics, map[string]*hcl.File) {}
	return a.openFor(config.Skip, p)
}

// planFile returns the plan file at a path, which may be the path of a held plan.
func (a *app) planFile(path string) session.PlanFile {
	return session.PlanFileAt(path, func() (*session.Session, error) { return a.open(config.Skip) })
}

// readPlan reads and checks a plan file.
func (a *app) readPlan(path string) (*planfile.File, error) { return a.planFile(path).Read() }

// readSigners reads allowed_signers and warns about lines that it can't use.
func (a *app) readSigners(path string) (*approval.Signers, error) {
	p := a.process()
	return p.Signers(path)
}
