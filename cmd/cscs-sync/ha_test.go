package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// TestTheExampleOfTwoNodes loads the shared state of examples/ha beside the minimal configuration.
func TestTheExampleOfTwoNodes(t *testing.T) {
	dir := t.TempDir()
	minimal := read(t, "../../examples/configs/minimal.hcl")
	shared := read(t, "../../examples/ha/state.hcl")
	signers := filepath.Join(dir, "signers")
	for name, text := range map[string]string{"minimal.hcl": minimal, "state.hcl": shared, "signers": "",
		"approval.hcl": "approval { allowed_signers = \"" + signers + "\" }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, diags := config.Load(dir, config.OS(), config.Options{Secrets: config.Skip})
	for _, d := range diags {
		if !strings.Contains(d.Detail, "/usr/local/sbin/cscs-sync-fence") { // it is not installed here
			t.Errorf("%s: %s", d.Summary, d.Detail)
		}
	}
	if cfg == nil || cfg.Shared == nil || cfg.Shared.Name != "alps" || len(cfg.Shared.Fence) != 1 {
		t.Errorf("%+v", cfg.Shared)
	}
}

// TestTheExampleFence runs the fence command of examples/ha against a power switch that is a script.
func TestTheExampleFence(t *testing.T) {
	dir := t.TempDir()
	text := strings.ReplaceAll(read(t, "../../examples/ha/cscs-sync-fence"), "/etc/cscs-sync/fence", dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("fence", text)
	write("mgmt1", "bmc1 admin\n")
	write("sleep", "#!/bin/sh\n")
	for status, want := range map[string]int{"echo Chassis Power is off": 0, "echo Chassis Power is on": 1, "exit 1": 1, "echo Chassis Power is offline": 1} {
		write("ipmitool", "#!/bin/sh\ncase $* in *status) "+status+";; *) exit 1;; esac\n")
		for node, code := range map[string]int{"mgmt1": want, "": 2, "../mgmt1": 2, "mgmt2": 1, "a b": 2} {
			cmd := exec.Command(filepath.Join(dir, "fence"), node)
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			if got := exitOf(t, err); (got == 0) != (code == 0) {
				t.Errorf("%s, node %q: exit %d\n%s", status, node, got, out)
			}
		}
	}
}
