package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
)

// diagnosed is an error that is shown as diagnostics.
type diagnosed struct {
	diags hcl.Diagnostics
	files map[string]*hcl.File
}

func (d *diagnosed) Error() string { return d.diags.Error() }

// printError shows an error the way its kind is shown.
func (a *app) printError(err error) {
	var silent *outcome
	if err == nil || errors.As(err, &silent) && silent.err == nil || terminal.IsUnread(err) {
		return
	}
	var d *diagnosed
	if errors.As(err, &d) {
		a.term.Diagnostics(d.diags, d.files)
		return
	}
	a.term.Error(strings.ReplaceAll(strings.TrimRight(err.Error(), "\n"), context.Canceled.Error(),
		"interrupted"))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(a.term.Err, strings.TrimRight("For help: cscs-sync help "+usage.command, " "))
	}
}
