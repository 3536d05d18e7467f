package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// Manifests reads the manifests in all systems' archives. A manifest is a [planner.Archived] as
// JSON, in a file of root's next to the directory that it describes. problems are the manifests
// that cannot be used. recorded is as in [Site.Storage].
func (s *Site) Manifests(ctx context.Context, recorded map[string]planner.RootIdentity) (
	found []planner.Archived, problems []error, err error) {
	storage, done, err := s.Storage(ctx, recorded)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	seen := map[string]bool{}
	for _, settings := range s.cfg.Settings.Systems {
		if seen[settings.Archive] {
			continue
		}
		seen[settings.Archive] = true
		sys, err := storage.system(settings.Name)
		if err != nil {
			return nil, nil, err
		}
		list, err := sys.Manifests(settings.Archive)
		if err != nil {
			return nil, nil, err
		}
		some, wrong := usableManifests(settings.Archive, list)
		found, problems = append(found, some...), append(problems, wrong...)
	}
	return found, problems, nil
}

// usableManifests returns the manifests whose directories are next to them. Killed attempts leave
// manifests without a directory, which mean nothing. If several manifests describe one directory,
// the newest counts.
func usableManifests(folder string,
	list []posix.Manifest) (found []planner.Archived, problems []error) {
	newest := map[string]planner.Archived{}
	for _, m := range list {
		x, err := parseManifest(&m)
		if err == nil {
			err = checkBeside(folder, &m, &x)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("manifest %s/%s: %w", folder, m.File, err))
			continue
		}
		if m.Directory.State != planner.DirPresent {
			continue
		}
		if other, ok := newest[x.Archive]; !ok || x.At.After(other.At) {
			newest[x.Archive] = x
		}
	}
	return slices.Collect(maps.Values(newest)), problems
}

// checkBeside checks that a manifest describes the directory next to it, if there is one.
func checkBeside(folder string, m *posix.Manifest, x *planner.Archived) error {
	present := m.Directory.State == planner.DirPresent
	switch {
	case present && x.Archive != folder+"/"+m.Name:
		return fmt.Errorf("it describes the place %s: move the manifest and its directory back there",
			render.Quote(x.Archive))
	case present && m.Directory.Inode != x.Inode, !present &&
		m.Directory.State != planner.DirAbsent:
		return errors.New("the directory next to it is not the one that it describes")
	}
	return nil
}

func parseManifest(m *posix.Manifest) (x planner.Archived, err error) {
	if m.Err != nil {
		return x, m.Err
	}
	d := json.NewDecoder(bytes.NewReader(m.Data))
	d.DisallowUnknownFields()
	return x, d.Decode(&x)
}
