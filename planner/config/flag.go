package config

import (
	"errors"
	"strings"
)

// VariableFlag is --var or, with File, --var-file. Both add to one list: of several values for one
// variable, the last counts.
type VariableFlag struct {
	To   *[]VariableInput
	File bool
}

// String shows nothing: there is no default.
func (f VariableFlag) String() string { return "" }

// Type returns what the help calls the value.
func (f VariableFlag) Type() string {
	if f.File {
		return "file"
	}
	return "assignment"
}

// Set adds one value, or one file of values.
func (f VariableFlag) Set(s string) error {
	name, _, found := strings.Cut(s, "=")
	switch {
	case f.File && s == "":
		return errors.New("the value is empty; name a file")
	case f.File:
		*f.To = append(*f.To, VariableInput{File: s})
	case !found || name == "":
		return errors.New("want NAME=VALUE")
	default:
		*f.To = append(*f.To, VariableInput{Assignment: s})
	}
	return nil
}
