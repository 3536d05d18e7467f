package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
)

// printError shows an error as its kind requires.
func (a *app) printError(err error) {
	var silent *outcome
	if err == nil || errors.As(err, &silent) && silent.err == nil || terminal.IsUnread(err) {
		return
	}
	var d *session.InvalidError
	if errors.As(err, &d) {
		a.term.Diagnostics(d.Diagnostics, d.Files)
		return
	}
	a.term.Error(strings.ReplaceAll(strings.TrimRight(err.Error(), "\n"), context.Canceled.Error(),
		"interrupted"))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(a.term.Err, strings.TrimRight("For help: cscs-sync help "+usage.command, " "))
	}
}
