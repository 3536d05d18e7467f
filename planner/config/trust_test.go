package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// If others could replace a file, it is refused when the configuration is read: the configuration
// itself, secrets, state, signers, and each program that root would run.
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
system "vast" {
  directory  = "vast"
  filesystem = "nfs"
  quota "vast" {
    url         = "https://vms.example.com/api/v5/"
    token       = file("/etc/cscs-sync/vast.token")
    ca_file     = "/etc/cscs-sync/vms.pem"
    path_prefix = "/scratch"
  }
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
	for _, path := range []string{"/etc/cscs-sync/cscs-sync.hcl", "/etc/cscs-sync/proxy.token",
		"/var/lib/cscs-sync",
		"/etc/cscs-sync/allowed_signers", "/usr/bin/lfs", "/etc/cscs-sync/vast.token",
		"/etc/cscs-sync/vms.pem", "/usr/local/bin/tell"} {
		w := newWorld()
		w.untrusted = map[string]error{path: errors.New("a stranger may replace it")}
		if _, diags := load(t, w, src); !diags.HasErrors() || !strings.Contains(diags.Error(),
			"stranger may replace it") {
			t.Errorf("%s: %v", path, diags)
		}
	}
}

// TestTrustedProgram: a script is as trustworthy as its interpreter, through any number of scripts.
func TestTrustedProgram(t *testing.T) {
	uid, dir := uint32(os.Geteuid()), t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o700),
			os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := put("sound", "\x7fELF\x00", 0o755), put("spoiled", "\x7fELF\x00", 0o777)
	link := filepath.Join(dir, "link")
	if err := os.Symlink("spoiled", link); err != nil {
		t.Fatal(err)
	}
	endless := filepath.Join(dir, "endless")
	for name, c := range map[string]struct{ text, want string }{
		"program":       {"\x7fELF\x00\n#!" + bad + "\n", ""},
		"empty":         {"", ""},
		"bare":          {"#!", ""},
		"shell":         {"#!/bin/sh\nexit 0\n", ""},
		"by env":        {"#!/usr/bin/env sh\n", ""},
		"by env with":   {"#!/usr/bin/env -S A=b sh -e\n", ""},
		"env alone":     {"#! /usr/bin/env\n", ""},
		"good":          {"#! " + good + " -x\n", ""},
		"bad":           {"#!" + bad + "\n", "others can write to " + bad},
		"no line's end": {"#!" + bad, "others can write to " + bad},
		"bad by link":   {"#!" + link + " -x\n", "others can write to " + bad},
		"bad by env":    {"#!/usr/bin/env " + bad + "\n", "others can write to " + bad},
		"nowhere":       {"#!/usr/bin/env no-such-program-anywhere\n", "write its whole path"},
		"relative":      {"#!bin/tool\n", "write its whole path"},
		"of a script": {"#!" + put("between", "#!"+bad+"\n", 0o755) + "\n",
			"others can write to " + bad},
		"endless": {"#!" + endless + "\n", "too long a chain"},
	} {
		err := config.TrustedProgram(put(name, c.text, 0o755), uid)
		if c.want == "" && err != nil || c.want != "" &&
			(err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := config.TrustedProgram(filepath.Join(dir, "none"), uid); err != nil {
		t.Errorf("what does not exist yet: %v", err)
	}
}
