package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
)

func (a *app) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "write a commented configuration to start from",
		Args:  arguments(0, 1),
		Long: `Writes cscs-sync.hcl into DIR (default: the present folder). With --from it
converts the Python agent's YAML, every key of it; tokens go into files of their
own, mode 0600. Overwrites nothing.`,
	}
	f := cmd.Flags()
	from := f.String("from", "", "convert the Python agent's configuration in `FILE`")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		dir := "."
		if len(args) == 1 {
			dir = args[0]
		}
		return a.initialise(dir, *from)
	}
	return cmd
}

// initFile is one file that init writes.
type initFile struct {
	path string
	data []byte
}

func (a *app) initialise(dir, from string) error {
	files := []initFile{{filepath.Join(dir, "cscs-sync.hcl"), []byte(config.Template())}}
	var notes []string
	if from != "" {
		converted, err := convert(from)
		if err != nil {
			return err
		}
		files[0].data, notes = []byte(converted.HCL), converted.Notes
		for _, s := range converted.Secrets {
			files = append(files, initFile{filepath.Join(dir, s.Name), []byte(s.Value.Reveal() + "\n")})
		}
	}
	if err := noneExists(files); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for _, f := range files {
		if err := state.WriteFile(f.path, f.data, 0o600, nil); err != nil {
			return err
		}
		if err := a.print("Wrote " + f.path + "\n"); err != nil {
			return err
		}
	}
	for _, n := range notes {
		a.tell("Note: %s", n)
	}
	next := "put the tokens into proxy.token and waldur.token beside it (mode 0600), adapt it, and check it"
	if from != "" {
		next = "read it through, and check it"
	}
	a.tell("\nNext: %s with: cscs-sync validate --config %s", next, files[0].path)
	return nil
}

func convert(from string) (config.Converted, error) {
	src, err := state.ReadFile(from, 1<<20)
	if err != nil {
		return config.Converted{}, fmt.Errorf("read the agent's configuration: %w", err)
	}
	converted, err := config.FromYAML(src, disk{})
	if err != nil {
		return converted, fmt.Errorf("convert %s: %w", from, err)
	}
	return converted, nil
}

// disk tells the conversion which directories stand.
type disk struct{}

// IsDir takes what cannot be looked at for a directory: then a person has to choose.
func (disk) IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// noneExists refuses to overwrite anything, and names all that is in the way at once.
func noneExists(files []initFile) error {
	var errs []error
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil {
			errs = append(errs, fmt.Errorf("%s exists; init overwrites nothing: name another folder, or move it away", f.path))
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
