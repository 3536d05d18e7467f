// Embed plans and applies with the engine alone: the resources come from this program, the directories lie in a temporary
// folder, and nobody is told.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// group is the resource's: this process's own, or any that root may give.
var group = func() int64 {
	if gid := os.Getgid(); gid != 0 {
		return int64(gid)
	}
	return 30500
}()

// fixed is a source with one resource.
type fixed struct{}

func (fixed) Name() string { return "this program" }

func (fixed) List(context.Context, []planner.Status) ([]planner.Item, error) {
	return []planner.Item{{Key: planner.Key{Item: "0123456789abcdef0123456789abcdef", System: "scratch", DataType: "store"},
		Target: planner.TargetProject, Status: planner.StatusActive, MountPath: "/scratch/bio", Permission: "2770",
		GID: group, HasGID: true}}, nil
}

func main() {
	dir, err := os.MkdirTemp("", "embed")
	if err == nil {
		defer os.RemoveAll(dir)
		err = run(dir, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run plans, shows the plan, approves it with the key of this node, and applies it.
func run(dir string, w io.Writer) error {
	e, err := newEngine(dir)
	if err != nil {
		return err
	}
	p, err := e.Plan(context.Background(), engine.Request{Source: fixed{}})
	if err != nil {
		return err
	}
	_, _ = w.Write(render.Text(p.Plan, render.Options{Width: 80}))
	id := canonical.ID(p.Plan.Core)
	made, err := e.LocalApproval(approval.Message{Plan: id, Context: canonical.ContextDigest(p.Plan), Name: e.Who,
		Time: e.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	block, err := made.Block()
	if err != nil {
		return err
	}
	out, err := e.Apply(context.Background(), &engine.Proposal{Plan: p.Plan, ID: id, Blocks: [][]byte{block}}, engine.Options{})
	fmt.Fprintln(w, "The apply ended:", out.Result)
	return err
}

// newEngine is an engine whose storage, state and configuration lie in one folder. The directory /scratch/bio stands there
// already, with the wrong mode.
func newEngine(dir string) (*engine.Engine, error) {
	if err := os.MkdirAll(filepath.Join(dir, "mnt/scratch/bio"), 0o700); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("storage {\n  root = %q\n  min_gid = %d\n}\nstate {\n  path = %q\n}\nsystem \"scratch\" {\n"+
		"  directory = \"scratch\"\n  filesystem = \"any\"\n  quota \"none\" {}\n}\n", dir+"/mnt", min(group, 1000), dir+"/state")
	path := filepath.Join(dir, "cscs-sync.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{})
	if diags.HasErrors() {
		return nil, diags
	}
	store, err := state.Open(cfg.State, state.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	opened := site.New(cfg, site.Options{Now: time.Now, Transport: http.DefaultTransport, MountTimeout: 10 * time.Second,
		Progress: func(string, int, int) {}, Observing: func(string, int, int) {}, Waits: func(string) func() { return func() {} }})
	key := func() (approval.LocalKey, error) {
		raw, err := store.ApprovalKey()
		if err != nil {
			return approval.LocalKey{}, err
		}
		return approval.NewLocalKey(raw)
	}
	return &engine.Engine{Settings: &cfg.Settings, Policy: cfg.AutoApprove, ValidFor: cfg.Approval.ValidFor,
		Rules: func() (approval.Rules, error) {
			local, err := key()
			return approval.Rules{Required: 1, ValidFor: cfg.Approval.ValidFor, LocalKey: local}, err
		},
		Store: store, Locker: store, Key: key, Storage: site.ForEngine{Site: opened},
		Proxy: func() (engine.Source, error) { return fixed{}, nil },
		Who:   "example", Host: "localhost", Version: "embedded", PID: os.Getpid(), Now: time.Now, Log: slog.Default()}, nil
}
