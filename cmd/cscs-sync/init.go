package main

import (
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/configfiles"
)

func (a *app) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "write a commented configuration to start from",
		Args:  arguments(0, 1),
		Long: `Writes cscs-sync.hcl into DIR (default: the current folder). With --from, init
converts every key of the Python agent's YAML. Tokens go into files of their
own, with mode 0600. init overwrites nothing.`,
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

func (a *app) initialise(dir, from string) error {
	files, notes, err := configfiles.New(dir, from)
	if err != nil {
		return err
	}
	err = configfiles.Write(dir, files, func(path string) error {
		return a.term.Print("Wrote " + path + "\n")
	})
	if err != nil {
		return err
	}
	for _, n := range notes {
		a.term.Tell("Note: %s", n)
	}
	next := "put the tokens into proxy.token and waldur.token beside it (mode 0600), adapt it, " +
		"and check it"
	if from != "" {
		next = "read it through, and check it"
	}
	a.term.Tell("\nNext: %s with: cscs-sync validate --config %s", next, files[0].Path)
	return nil
}
