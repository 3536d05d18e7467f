package site

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/posix"
)

// TestUsableManifests: a manifest counts if the directory that it describes is next to it.
func TestUsableManifests(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	manifest := func(name string, inode uint64, age time.Duration) []byte {
		data, err := json.Marshal(planner.Archived{Archive: "c/.trash/" + name, Inode: inode,
			At: at.Add(-age)})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	present := planner.Directory{State: planner.DirPresent, Inode: 7}
	found, problems := usableManifests("c/.trash", []posix.Manifest{
		{File: "1", Name: "a", Data: manifest("a", 7, time.Hour), Directory: present},
		{File: "2", Name: "a", Data: manifest("a", 7, 0), Directory: present},
		{File: "3", Name: "b", Data: manifest("b", 7, 0),
			Directory: planner.Directory{State: planner.DirAbsent}},
	})
	if len(problems) != 0 || len(found) != 1 || !found[0].At.Equal(at) {
		t.Errorf("%+v, %v", found, problems)
	}
	for what, m := range map[string]posix.Manifest{
		"another directory": {Name: "a", Data: manifest("a", 8, 0), Directory: present},
		"another place":     {Name: "a", Data: manifest("b", 7, 0), Directory: present},
		"an obstacle": {Name: "a", Data: manifest("a", 7, 0),
			Directory: planner.Directory{State: planner.DirObstructed}},
		"an unknown directory": {Name: "a", Data: manifest("a", 7, 0)},
		"no JSON":              {Name: "a", Data: []byte("{"), Directory: present},
		"an unknown member":    {Name: "a", Data: []byte(`{"evil":1}`), Directory: present},
		"unreadable":           {Name: "a", Err: errors.New("not root's own"), Directory: present},
	} {
		if found, problems := usableManifests("c/.trash", []posix.Manifest{m}); len(found) != 0 ||
			len(problems) != 1 {
			t.Errorf("%s: %+v, %v", what, found, problems)
		}
	}
}
