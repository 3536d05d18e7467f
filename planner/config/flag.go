package config

import (
	"errors"
	"strings"
)

// VariableFlag is the flag --var or, with File, --var-file. Both add to one list. If a variable
// gets several values, the last counts.
type VariableFlag struct {
	To   *[]VariableInput
	File bool
}

// String returns an empty text, because there is no default.
func (f VariableFlag) String() string { return "" }

// Type returns the name of the value in the help.
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
