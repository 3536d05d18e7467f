package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPager: what is longer than the screen goes through the pager, without a shell; nothing else does.
func TestPager(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	for i := range 12 {
		s.create(fmt.Sprint("p", i), int64(31000+i))
	}
	pager := filepath.Join(s.dir, "pager")
	s.check(os.WriteFile(pager, []byte("#!/bin/sh\necho \"paged with $1, $LESSSECURE\"\nread line\necho \"first: $line\"\n"), 0o755))
	touched := filepath.Join(s.dir, "touched")
	for name, c := range map[string]struct {
		args  []string
		pager string
		want  string
	}{
		"its words":     {[]string{"plan"}, pager + "  $(touch " + touched + ")", "paged with $(touch, 1\r\nfirst: "},
		"none":          {[]string{"plan", "--no-pager"}, pager, "Plan: 14 to create."},
		"switched off":  {[]string{"plan"}, "", "Plan: 14 to create."},
		"cat":           {[]string{"plan"}, "cat", "Plan: 14 to create."},
		"what is short": {[]string{"plan", "--target", "/nothing/**"}, pager, "Nothing was selected."},
		"JSON":          {[]string{"plan", "--json"}, pager, `"format_version"`},
		"not there":     {[]string{"plan"}, pager + ".not", "give --no-pager"},
	} {
		x := newPseudo(t)
		cmd := s.command(c.args...)
		cmd.Env = append(cmd.Env, "CSCS_SYNC_PAGER="+c.pager)
		x.converse(t, cmd, "", "")
		if !strings.Contains(x.text(), c.want) || strings.Contains(x.text(), "paged") != strings.Contains(c.want, "paged") {
			t.Errorf("%s: %q is not in\n…%q", name, c.want, x.text()[max(0, len(x.text())-300):])
		}
	}
	if _, err := os.Stat(touched); err == nil {
		t.Error("a shell ran")
	}
	cmd := s.command("plan")
	cmd.Env = append(cmd.Env, "CSCS_SYNC_PAGER="+pager)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "paged") {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}
}
