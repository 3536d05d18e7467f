package config_test

import (
	"errors"
	"strings"
	"testing"
)

// What others could replace is refused when the configuration is read: the configuration itself, secrets, state, signers, and
// each program that root would run.
func TestOthersMayReplaceNothing(t *testing.T) {
	const src = `
proxy {
  url   = "https://proxy.example.com/api/storage-resources/"
  token = file("/etc/cscs-sync/proxy.token")
}
storage { root = "/mnt/lustre" }
system "capstor" {
  directory  = "capstor"
  filesystem = "lustre"
  quota "lustre" { client = "lfs" }
}
approval { allowed_signers = "/etc/cscs-sync/allowed_signers" }
run {
  notify { exec = ["/usr/local/bin/tell", "held"] }
}
state { path = "/var/lib/cscs-sync" }
`
	if _, diags := load(t, newWorld(), src); diags.HasErrors() {
		t.Fatalf("as it is: %v", diags)
	}
	for _, path := range []string{"/etc/cscs-sync/cscs-sync.hcl", "/etc/cscs-sync/proxy.token", "/var/lib/cscs-sync",
		"/etc/cscs-sync/allowed_signers", "/usr/bin/lfs", "/usr/local/bin/tell"} {
		w := newWorld()
		w.untrusted = map[string]error{path: errors.New("a stranger may replace it")}
		if _, diags := load(t, w, src); !diags.HasErrors() || !strings.Contains(diags.Error(), "stranger may replace it") {
			t.Errorf("%s: %v", path, diags)
		}
	}
}
