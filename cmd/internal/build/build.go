// Package build says which program this is: its version, and the commit that it was built from.
package build

import "runtime/debug"

// release is the version of this tree; a build from a tagged module says its own.
const release = "0.1.0"

// What the Makefile builds into the program: the version of a release, the commit, and its time.
var tag, revision, built string

// Version returns the version of this program: that of its release, else that of the module it was
// installed from, else that of the tree.
func Version() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(tag, info)
}

func versionOf(tag string, info *debug.BuildInfo) string {
	if tag != "" {
		return tag
	}
	if info != nil && info.Main.Version != "" && info.Main.Version != "(devel)" &&
		info.Main.Version[0] == 'v' {
		return info.Main.Version[1:]
	}
	return release
}

// Commit is what a program was built from.
type Commit struct {
	// Hash and Date are empty where the build did not say.
	Hash, Date string
	// Changed means that the tree had other changes.
	Changed bool
}

// Built returns the commit that the program was built from.
func Built() Commit {
	info, _ := debug.ReadBuildInfo()
	return commitOf(Commit{Hash: revision, Date: built}, info)
}

func commitOf(stamped Commit, info *debug.BuildInfo) Commit {
	if info == nil || stamped.Hash != "" {
		return stamped
	}
	c := stamped
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c.Hash = s.Value
		case "vcs.time":
			c.Date = s.Value
		case "vcs.modified":
			c.Changed = s.Value == "true"
		}
	}
	return c
}
