package report

import (
	"testing"
	"time"
)

// TestOnlyOwnFilesAreReplaced: report overwrites only what it wrote itself.
func TestOnlyOwnFilesAreReplaced(t *testing.T) {
	r := New(site())
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	quotas, err := r.OnDemand(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		existing           string
		isPage, isOnDemand bool
	}{
		"a page":         {string(page), true, false},
		"a quota file":   {string(quotas), false, true},
		"another page":   {"<!DOCTYPE html><title>Home</title>", false, false},
		"another text":   {"see <title>Storage report</title>", false, false},
		"another JSON":   {`{"version": 1}`, false, false},
		"a newer format": {`{"version": 2, "quotas": []}`, false, false},
		"nothing":        {"", false, false},
	} {
		if err := OnlyPage([]byte(c.existing)); (err == nil) != c.isPage {
			t.Errorf("%s as a page: %v", name, err)
		}
		if err := OnlyOnDemand([]byte(c.existing)); (err == nil) != c.isOnDemand {
			t.Errorf("%s as a quota file: %v", name, err)
		}
	}
}
