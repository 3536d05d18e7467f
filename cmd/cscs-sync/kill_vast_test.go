package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
)

// onVAST has capstor's quotas set on directories, by a VAST system that finishes changes later and keeps vast.json.
func (s *service) onVAST(onRemove string) {
	sim, err := vastsim.New(filepath.Join(s.dir, "vast.json"))
	s.check(err)
	sim.Behave(vastsim.Behaviour{Tasks: 1})
	server := httptest.NewServer(sim)
	s.t.Cleanup(server.Close)
	token := filepath.Join(s.dir, "vast.token")
	s.check(os.WriteFile(token, []byte(vastsim.Token+"\n"), 0o600))
	path := filepath.Join(s.dir, "cscs-sync.hcl")
	config, err := os.ReadFile(path)
	s.check(err)
	was := fmt.Sprintf("  quota \"lustre\" {\n    client = \"lfs\"\n    lfs    = \"%s/lfs\"\n  }", s.dir)
	if !bytes.Contains(config, []byte(was)) {
		s.t.Fatalf("the configuration has no\n%s", was)
	}
	now := fmt.Sprintf("  quota \"vast\" {\n    url = %q\n    token = file(%q)\n    path_prefix = \"/export\"\n    on_remove = %q\n  }",
		server.URL+"/api/v5/", token, onRemove)
	s.check(os.WriteFile(path, bytes.Replace(config, []byte(was), []byte(now), 1), 0o600)) // the first is capstor's
}

// vastQuotas are the quotas that the VAST system keeps, by path, and how many it ever made; empty if there is no such system.
// Which of several got which number depends on which was made first.
func (s *service) vastQuotas() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "vast.json"))
	if os.IsNotExist(err) {
		return ""
	}
	s.check(err)
	var kept struct {
		Next   int
		Quotas []map[string]any
	}
	s.check(json.Unmarshal(text, &kept))
	lines := []string{fmt.Sprint(kept.Next-1, " quotas were made")}
	for _, q := range kept.Quotas {
		delete(q, "ID")
		lines = append(lines, fmt.Sprint(q))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wantLimitedIfOpen fails if users can enter a resource's directory on a VAST system that has no
// quota there.
func (s *service) wantLimitedIfOpen() {
	s.t.Helper()
	quotas := s.vastQuotas()
	if quotas == "" {
		return
	}
	found, err := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/store/cscs/*/*"))
	s.check(err)
	for _, dir := range found {
		info, err := os.Stat(dir)
		s.check(err)
		path := strings.TrimPrefix(dir, filepath.Join(s.dir, "mnt/capstor"))
		if info.Mode().Perm()&0o077 != 0 && !strings.Contains(quotas+" ", "Path:/export"+path+" ") {
			s.t.Errorf("%s is open, %v, and has no quota:\n%s", path, info.Mode(), quotas)
		}
	}
}

// vastScenes are kills where limits are set on directories.
func vastScenes() []killScene {
	return []killScene{
		{name: "directory quotas, creates", prepare: func(s *service) {
			s.onVAST("keep")
			s.create("a", 30501)
			s.active("c", 30503)
		}},
		{name: "directory quotas, changes and a removal", prepare: func(s *service) { s.onVAST("remove"); changed(s) }},
		{name: "directory quotas, restore", prepare: func(s *service) {
			s.onVAST("remove")
			s.active("back", 30604)
			s.settle()
			s.terminate("back")
			s.settle()
		}, plan: []string{"archive", "restore", "/capstor/store/cscs/uzh/back"}},
	}
}
