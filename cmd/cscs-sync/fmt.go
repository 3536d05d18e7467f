package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/configfiles"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
)

func (a *app) fmtCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fmt [PATH…]",
		Short: "rewrite configuration files in the canonical layout",
		Args:  arguments(0, -1),
		Long: `Rewrites .hcl files, or all .hcl files of a folder; - formats standard input.
Without PATH it takes the configuration. Prints the names of changed files.

Exit codes: 0 done; 1 error, or with --check: files would change.`,
	}
	f := cmd.Flags()
	check := f.Bool("check", false, "change nothing; name the files that would change, and exit "+
		"1 if there are any")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.format(args, *check) }
	return cmd
}

func (a *app) format(paths []string, check bool) error {
	if len(paths) == 0 {
		path, err := a.configuration()
		if err != nil {
			return err
		}
		paths = []string{path}
	}
	var errs []error
	changed := false
	for _, path := range paths {
		files := []string{path}
		if path != "-" {
			var err error
			files, err = configfiles.Of(path)
			errs = append(errs, err)
		}
		for _, file := range files {
			differs, err := a.formatFile(file, check)
			errs = append(errs, err)
			changed = changed || differs
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if check && changed {
		return ended(exitError)
	}
	return nil
}

func (a *app) formatFile(path string, check bool) (changed bool, err error) {
	src, err := a.read(path)
	if err != nil {
		return false, err
	}
	out, diags := config.Format(src, path)
	if diags.HasErrors() {
		parsed := map[string]*hcl.File{path: {Bytes: src}}
		a.term.Diagnostics(diags, parsed)
		return false, ended(exitError)
	}
	changed = !bytes.Equal(src, out)
	switch {
	case path == "-" && !check:
		return changed, a.term.Print(string(out))
	case !changed:
		return false, nil
	}
	if !check {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		if err := state.WriteFile(path, out, info.Mode().Perm(),
			func([]byte) error { return nil }); err != nil {
			return false, fmt.Errorf("format %s: %w", path, err)
		}
	}
	return true, a.term.Print(path + "\n")
}

func (a *app) read(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.term.In, 1<<20))
	}
	return configfiles.Read(path)
}
