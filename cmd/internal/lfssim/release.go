package lfssim

import "fmt"

// release has the differences between the two simulated releases, except for the layouts in rows.go
// and the option tables.
type release struct {
	version string
	modern  bool   // 2.17: other layouts, help on stdout, several mount points, names of projects, …
	expired string // a grace time that has run out
	some    string // the text before "Some errors happened"
}

// releaseOf returns a release by its version.
func releaseOf(version string) (release, error) {
	switch version {
	case "2.15.8":
		return release{version: version, expired: "none"}, nil
	case "2.17.57":
		return release{version: version, modern: true, expired: "expired", some: "1 "}, nil
	}
	return release{}, fmt.Errorf("release %q is not supported: use 2.15.8 or 2.17.57", version)
}
