package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

var update = flag.Bool("update", false, "write what is shown into the golden files")

// The typical mistakes, as they are shown at 80 columns: the files of a folder, then the wanted
// text, and once with colour.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/mistakes/*.txtar")
	if err != nil || len(archives) < 10 {
		t.Fatal(archives, err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld()
			var want string
			kept := archive.Files[:0]
			for _, f := range archive.Files {
				if f.Name == "shown" {
					want = string(f.Data)
					continue
				}
				kept = append(kept, f)
				w.files["/etc/cscs-sync/"+f.Name] = file{data: string(f.Data), mode: 0o644}
			}
			c, diags := config.Load("/etc/cscs-sync", w, config.Options{})
			got := rendered(t, c, diags)
			if strings.Contains(everyForm(t, c, diags), marker) {
				t.Fatal("a secret is shown")
			}
			for l := range strings.SplitSeq(got, "\n") {
				if len([]rune(l)) > 80 {
					t.Errorf("wider than 80 columns: %s", l)
				}
			}
			if *update {
				archive.Files = append(kept, txtar.File{Name: "shown", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
