package state

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestLeftovers: a killed write's file is removed once it is old. Everything else stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	old := now.Add(-2 * time.Hour)
	goes := []string{".0a1b.plan.123", ".state.db.77", ".state.db.bak.5", ".state.db.bak-format2.5",
		".approval.key.9"}
	stays := []string{"0a1b.plan", ".0a1b.plan.webhook", ".0a1b.plan.lock", "state.db", "state.db.bak", ".plan.1", ".other.1", "x.plan.1"}
	for _, name := range append(slices.Clone(goes), stays...) {
		path := filepath.Join(dir, name)
		if err := firstError(os.WriteFile(path, nil, 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	young := filepath.Join(dir, ".young.plan.1")
	if err := firstError(os.WriteFile(young, nil, 0o600), os.Mkdir(filepath.Join(dir, ".folder.plan.1"), 0o700),
		os.Symlink(young, filepath.Join(dir, ".link.plan.1"))); err != nil {
		t.Fatal(err)
	}
	if err := firstError(removeLeftovers(dir, now),
		removeLeftovers(filepath.Join(dir, "none"), now)); err != nil {
		t.Fatal(err)
	}
	for _, name := range goes {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	for _, name := range append(stays, ".young.plan.1", ".folder.plan.1", ".link.plan.1") {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}
