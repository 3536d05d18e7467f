package main

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// foreign is a plan file as a program with other rendering rules would write it.
func (s *service) foreign(path string) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, path))
	s.check(err)
	data = bytes.Replace(data, []byte("Plan: 3 to create."), []byte("Plan: nothing to worry about."), 1)
	s.check(os.WriteFile(filepath.Join(s.dir, path), s.foreignBytes(data, "99,"), 0o600))
}

// foreignBytes is a plan file, without approvals, with another version of the rules, and perhaps more members, in place of its own.
func (s *service) foreignBytes(data []byte, version string) []byte {
	s.t.Helper()
	start := bytes.Index(data, []byte("-----BEGIN"))
	block, _ := pem.Decode(data[start:])
	r, err := gzip.NewReader(bytes.NewReader(block.Bytes))
	s.check(err)
	part, err := io.ReadAll(r)
	s.check(err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(bytes.Replace(part, fmt.Appendf(nil, `"renderer":%d,`, canonical.Renderer), []byte(`"renderer":`+version), 1))
	s.check(err)
	s.check(w.Close())
	return append(bytes.Clone(data[:start]), pem.EncodeToMemory(&pem.Block{Type: "CSCS-SYNC PLAN", Bytes: packed.Bytes()})...)
}

// TestForeignPlanFile: what another version rendered is shown as this one renders it, whatever its text says, and is
// neither approved nor applied.
func TestForeignPlanFile(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	s.foreign("p.plan")
	before, err := os.ReadFile(filepath.Join(s.dir, "p.plan"))
	s.check(err)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"show", "p.plan"}, exitDone, "was written by another version of cscs-sync"},
		{[]string{"show", "p.plan"}, exitDone, "Plan: 3 to create."},
		{[]string{"approve", "p.plan"}, exitRefused, "written by rendering rules 99, this program has 4"},
		{[]string{"verify", "p.plan"}, exitRefused, "FAIL  intact"},
		{[]string{"apply", "p.plan"}, exitRefused, "use the version of cscs-sync that made it, or make a new plan"},
	} {
		code, out := s.here(c.args...)
		if code != c.code || !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(c.want), " ")) || strings.Contains(out, "nothing to worry about") {
			t.Errorf("%q: exit %d, want %d and %q\n%s", c.args, code, c.code, c.want, out)
		}
	}
	if after, err := os.ReadFile(filepath.Join(s.dir, "p.plan")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
	if s.exists("capstor/store")() {
		t.Error("something was done")
	}
}
