package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// proxyToken and waldurToken are the simulator's default tokens. They protect nothing.
const (
	proxyToken  = "sim-proxy-token"
	waldurToken = "0123456789abcdef0123456789abcdef01234567"
)

// scenario is what Waldur knows at first: three projects whose storage is finished.
const scenario = `{"resources": [
  {"offering": "capstor", "customer": "eth", "project": "bio", "data_type": "store", "gid": 30501, "limits": {"storage": 10}},
  {"offering": "capstor", "customer": "eth", "project": "chem", "data_type": "store", "gid": 30502, "limits": {"storage": 5}},
  {"offering": "capstor", "customer": "uzh", "project": "old", "data_type": "store", "gid": 30503, "limits": {"storage": 7}}
]}
`

const configuration = `# The demo's site: one Lustre system and one without quotas, both simulated by ordinary folders.
proxy {
  url   = "%[1]s/api/storage-resources/"
  token = file("proxy.token")
}
waldur {
  url   = "%[1]s/api/"
  token = file("waldur.token")
}
storage {
  root    = "%[2]s/mnt"
  min_gid = %[3]d
}
system "capstor" {
  directory  = "capstor"
  filesystem = "any" # a real site says "lustre"
  quota "lustre" {
    client = "lfs"
    lfs    = "%[2]s/lfs"
    shared = "%[4]s"
  }
}
system "vast" {
  directory  = "vast"
  filesystem = "any"
  quota "none" {}
}

override "climate headroom" {
  match {
    path = "/capstor/**/climate"
  }
  mode = "2750"
  quota {
    space_hard = upstream.quota.space_hard * 1.1
  }
  reason  = "CHG-4711: headroom during the migration"
  expires = "2099-12-31"
}

state { path = "%[2]s/state" }
`

// site creates the demo's folder and starts the simulator; stop ends it.
func (d *demo) site() (stop func(), err error) {
	if err := d.clear(); err != nil {
		return nil, err
	}
	// The scenario comes first: by it the next demo knows the folder, also if this one goes no further.
	if err := d.write("scenario.json", scenario); err != nil {
		return nil, err
	}
	for _, dir := range []string{"mnt/capstor", "mnt/vast"} {
		if err := os.MkdirAll(filepath.Join(d.dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(filepath.Join(d.bin, "lfs-sim"), filepath.Join(d.dir, "lfs")); err != nil {
		return nil, err
	}
	out, err := exec.Command(filepath.Join(d.bin, "lfs-sim"), "sim", "init", "--state",
		filepath.Join(d.dir, "lfs.json"), "--release", "2.15.8",
		"--mount", filepath.Join(d.dir, "mnt")+"=demo", "--as-root").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("lfs-sim: %w: %s", err, out)
	}
	stop, err = d.simulator()
	if err != nil {
		return nil, err
	}
	if err := d.files(); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// clear removes what an earlier demo left in the folder, and nothing else. The folder exists then.
func (d *demo) clear() error {
	left, err := os.ReadFile(filepath.Join(d.dir, "scenario.json"))
	if err == nil && string(left) == scenario {
		if err := os.RemoveAll(d.dir); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return os.MkdirAll(d.dir, 0o755)
	}
	if err == nil {
		err = fmt.Errorf("%s is not empty, and is not from an earlier demo: choose another folder with "+
			"-dir", d.dir)
	}
	return err
}

func (d *demo) write(name, text string) error {
	return os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600)
}

// simulator starts waldur-sim and waits until it prints its address.
func (d *demo) simulator() (stop func(), err error) {
	cmd := exec.Command(filepath.Join(d.bin, "waldur-sim"), d.simArgs()...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("waldur-sim: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		stop()
		return nil, fmt.Errorf("waldur-sim did not print its address: %q", line)
	}
	d.url = url
	return stop, nil
}

func (d *demo) simArgs() []string {
	args := []string{"--listen", "127.0.0.1:0", "--seed-file", filepath.Join(d.dir, "scenario.json"),
		"--proxy-token", proxyToken, "--waldur-token", waldurToken}
	if os.Geteuid() != 0 {
		args = append(args, "--gid", fmt.Sprint(os.Getegid()))
	}
	return args
}

// files writes the configuration and its tokens.
func (d *demo) files() error {
	shared, minGID := "refuse", 1000
	if os.Geteuid() != 0 {
		shared = "sum" // every group is the caller's own
		minGID = min(minGID, os.Getegid())
	}
	for name, text := range map[string]string{"proxy.token": proxyToken + "\n",
		"waldur.token":  waldurToken + "\n",
		"cscs-sync.hcl": fmt.Sprintf(configuration, d.url, d.dir, minGID, shared)} {
		if err := d.write(name, text); err != nil {
			return err
		}
	}
	return nil
}
