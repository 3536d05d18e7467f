package build

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	module := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}}
	}
	for _, c := range []struct {
		tag  string
		info *debug.BuildInfo
		want string
	}{
		{"1.2.3", module("v1.0.0"), "1.2.3"},
		{"", module("v1.0.0"), "1.0.0"},
		{"", module("(devel)"), release},
		{"", module(""), release},
		{"", nil, release},
	} {
		if got := versionOf(c.tag, c.info); got != c.want {
			t.Errorf("%q, %+v: %s, want %s", c.tag, c.info, got, c.want)
		}
	}
}

func TestCommit(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"},
		{Key: "vcs.time", Value: "2026-11-03T12:00:00Z"}, {Key: "vcs.modified", Value: "true"}}}
	seen := Commit{Hash: "abc", Date: "2026-11-03T12:00:00Z", Changed: true}
	if got := commitOf(Commit{}, info); got != seen {
		t.Errorf("of the build: %+v", got)
	}
	stamped := Commit{Hash: "def", Date: "2026-11-04T12:00:00Z"}
	if got := commitOf(stamped, info); got != stamped {
		t.Errorf("stamped: %+v", got)
	}
	if got := commitOf(Commit{}, nil); got != (Commit{}) {
		t.Errorf("of nothing: %+v", got)
	}
}
