package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEmbed: the engine alone plans and applies.
func TestEmbed(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	if err := run(dir, &out); err != nil {
		t.Fatal(err, out.String())
	}
	info, err := os.Stat(filepath.Join(dir, "mnt/scratch/bio"))
	if err != nil || info.Mode().Perm() != 0o770 || info.Mode()&os.ModeSetgid == 0 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(out.String(), "already exists and will be adopted") || !strings.HasSuffix(out.String(), "The apply ended: done\n") {
		t.Errorf("%s", out.String())
	}
}
