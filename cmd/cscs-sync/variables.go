package main

import (
	"errors"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// variableFlag is --var or --var-file. Both add to one list: of several values for one variable, the last counts.
type variableFlag struct {
	to   *[]config.VariableInput
	file bool
}

// String shows nothing: there is no default.
func (f variableFlag) String() string { return "" }

// Type is what the help calls the value.
func (f variableFlag) Type() string {
	if f.file {
		return "file"
	}
	return "assignment"
}

// Set adds one value, or one file of values.
func (f variableFlag) Set(s string) error {
	name, _, found := strings.Cut(s, "=")
	switch {
	case f.file && s == "":
		return errors.New("the value is empty; name a file")
	case f.file:
		*f.to = append(*f.to, config.VariableInput{File: s})
	case !found || name == "":
		return errors.New("want NAME=VALUE")
	default:
		*f.to = append(*f.to, config.VariableInput{Assignment: s})
	}
	return nil
}
