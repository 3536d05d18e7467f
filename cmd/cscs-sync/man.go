//go:build man

package main

import (
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/cmd/internal/manual"
)

// With the build tag "man" the program has one more command, which writes its manual pages: one for
// each command, from its definition, and those of the guides that belong into a manual. Nothing is
// written twice.
//
//	go run -tags man ./cmd/cscs-sync man DIR

func init() { extraCommands = append(extraCommands, manCommand) }

func manCommand(*app) *cobra.Command {
	return &cobra.Command{Use: "man DIR", Short: "write the manual pages", Args: arguments(1, 1),
		Hidden: true, RunE: func(cmd *cobra.Command, args []string) error {
			return manual.Write(cmd.Root(), build.Version(), "docs", args[0])
		}}
}
