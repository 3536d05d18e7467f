// Package build says which program this is: its version and the commit from which it was built.
package build

import "runtime/debug"

// release is the version of this source tree. A build from a tagged module has the module's version
// instead.
const release = "0.1.0"

// The Makefile builds these into the program: the version of a release, the commit, and its time.
var tag, revision, built string

// Version returns the version of this program: that of its release, or of the module from which it
// was installed, or of the source tree.
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

// Commit is the commit from which a program was built.
type Commit struct {
	// Hash and Date are empty if the build did not record them.
	Hash, Date string
	// Changed means that the source tree had uncommitted changes.
	Changed bool
}

// Built returns the commit from which the program was built.
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
