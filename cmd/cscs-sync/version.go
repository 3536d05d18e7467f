package main

import (
	"encoding/json"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "print the version", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		commit := build.Built()
		if !*asJSON {
			text := "cscs-sync " + build.Version() + "\n"
			if commit.Hash != "" {
				text += "commit " + commit.Hash + ", " + commit.Date +
					map[bool]string{true: ", with changes"}[commit.Changed] + "\n"
			}
			return a.term.Print(text)
		}
		b, err := json.Marshal(map[string]any{"version": build.Version(), "commit": commit.Hash,
			"date": commit.Date, "changed": commit.Changed, "go": runtime.Version(),
			"platform":    runtime.GOOS + "/" + runtime.GOARCH,
			"plan_format": 1, "renderer": canonical.Renderer, "json_format": render.FormatVersion})
		if err != nil {
			return err
		}
		return a.term.Print(string(b) + "\n")
	}
	return cmd
}
