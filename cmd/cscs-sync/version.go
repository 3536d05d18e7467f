package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// release is the version of this tree; a build from a tagged module says its own.
const release = "0.1.0"

// version is the version of this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" && info.Main.Version[0] == 'v' {
		return info.Main.Version[1:]
	}
	return release
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "print the version", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		if !*asJSON {
			return a.print("cscs-sync " + version() + "\n")
		}
		b, err := json.Marshal(map[string]any{"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			"plan_format": 1, "renderer": planfile.Renderer, "json_format": planfile.FormatVersion})
		if err != nil {
			return err
		}
		return a.print(string(b) + "\n")
	}
	return cmd
}
