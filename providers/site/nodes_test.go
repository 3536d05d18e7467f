package site

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBootID(t *testing.T) {
	first, err := BootID()
	second, again := BootID()
	if err != nil || again != nil || first == "" || first != second ||
		strings.TrimSpace(first) != first {
		t.Errorf("boot ids %q, %q: %v, %v", first, second, err, again)
	}
}

// TestFenceBy: the program gets its arguments and the node's name, without a shell. It is an error
// if the program fails, hangs or does not exist. Its output is escaped and shortened.
func TestFenceBy(t *testing.T) {
	if FenceBy(nil) != nil {
		t.Error("without a program there is a fence")
	}
	dir := t.TempDir()
	program := func(text string) string {
		path := filepath.Join(dir, "fence")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got := filepath.Join(dir, "got")
	words := []string{program(`echo "$#: $1, $2" > ` + got), "off"}
	fence := FenceBy(words)
	for _, node := range []string{"mgmt1", "$(touch x); mgmt2"} { // twice: no call changes the words
		if err := fence(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(got); err != nil || string(text) != "2: off, "+node+"\n" {
			t.Errorf("%v: the program got %s", err, text)
		}
	}
	err := FenceBy([]string{program(`printf '\033[2J'; head -c 9999 /dev/zero | tr '\0' x; exit 3`)})(t.Context(), "mgmt1")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || strings.Contains(err.Error(),
		"\x1b") || len(err.Error()) > 700 {
		t.Errorf("a program that fails: %v", err)
	}
	if err := FenceBy([]string{filepath.Join(dir, "none")})(t.Context(), "mgmt1"); err == nil {
		t.Error("a program that is not there has fenced")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := FenceBy([]string{program("exec sleep 60")})(ctx, "mgmt1"); err == nil {
		t.Error("a program that hangs has fenced")
	}
}
