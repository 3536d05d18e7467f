package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// release is the version of this tree; a build from a tagged module says its own.
const release = "0.1.0"

// What the Makefile builds into the program: the version of a release, the commit, and its time.
var tag, revision, built string

// version is the version of this program: that of its release, else that of the module it was
// installed from, else that of the tree.
func version() string {
	if tag != "" {
		return tag
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" &&
		info.Main.Version != "(devel)" && info.Main.Version[0] == 'v' {
		return info.Main.Version[1:]
	}
	return release
}

// commit is the commit that the program was built from, its date, and whether the tree had other
// changes; empty where the build did not say.
func commit() (hash, date string, changed bool) {
	hash, date = revision, built
	info, ok := debug.ReadBuildInfo()
	if !ok || hash != "" {
		return hash, date, false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			hash = s.Value
		case "vcs.time":
			date = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	return hash, date, changed
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "print the version", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		hash, date, changed := commit()
		if !*asJSON {
			text := "cscs-sync " + version() + "\n"
			if hash != "" {
				text += "commit " + hash + ", " + date +
					map[bool]string{true: ", with changes"}[changed] + "\n"
			}
			return a.print(text)
		}
		b, err := json.Marshal(map[string]any{"version": version(), "commit": hash, "date": date,
			"changed": changed, "go": runtime.Version(),
			"platform":    runtime.GOOS + "/" + runtime.GOARCH,
			"plan_format": 1, "renderer": canonical.Renderer, "json_format": render.FormatVersion})
		if err != nil {
			return err
		}
		return a.print(string(b) + "\n")
	}
	return cmd
}
