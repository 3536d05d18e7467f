// Package flags has the rules that flags of all commands share.
package flags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Choice is the value of a flag that takes one of some words. What completion proposes, what is
// refused, and what the refusal names come from the one list.
type Choice struct {
	to      *string
	words   []string
	accepts func(string) bool
}

// OneOf declares a flag that takes one of some words, with a default.
func OneOf(f *pflag.FlagSet, to *string, name, value, usage string, words ...string) *Choice {
	c := &Choice{to: to, words: words, accepts: func(s string) bool { return slices.Contains(words, s) }}
	*to = value
	f.Var(c, name, usage)
	return c
}

// Accepts has a function decide what is taken. It must take all the words.
func (c *Choice) Accepts(f func(string) bool) { c.accepts = f }

// Words are the words that may be given.
func (c *Choice) Words() []string { return slices.Clone(c.words) }

// String is what is chosen.
func (c *Choice) String() string { return *c.to }

// Type is that of a text, so that help shows it as one.
func (c *Choice) Type() string { return "string" }

// Set takes anything: [Check] refuses what is none of the words, also where it comes from the
// environment.
func (c *Choice) Set(s string) error {
	*c.to = s
	return nil
}

// Check refuses flags whose value is none of their words.
func Check(f *pflag.FlagSet) (err error) {
	f.VisitAll(func(f *pflag.Flag) {
		c, ok := f.Value.(*Choice)
		if ok && err == nil && !c.accepts(*c.to) {
			last := len(c.words) - 1
			err = fmt.Errorf("--%s %q: want %s or %s", f.Name, *c.to,
				strings.Join(c.words[:last], ", "), c.words[last])
		}
	})
	return err
}

// Filled refuses flags that are given with an empty value: a script's variable that is not set must
// not be taken for a flag that is absent.
func Filled(f *pflag.FlagSet) error {
	var errs []error
	f.Visit(func(f *pflag.Flag) {
		list, isList := f.Value.(pflag.SliceValue)
		if f.Value.Type() == "string" && f.Value.String() == "" || isList &&
			slices.Contains(list.GetSlice(), "") {
			errs = append(errs, fmt.Errorf("--%s: the value is empty; give one, or leave the flag out",
				f.Name))
		}
	})
	return errors.Join(errs...)
}

// Environment gives flags that are not given the values of variables: a prefix, and the flag's name
// in capitals. It returns the names of those flags.
func Environment(f *pflag.FlagSet, getenv func(string) (string, bool), prefix string,
	names ...string) (taken []string, err error) {
	for _, name := range names {
		variable := prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		value, ok := getenv(variable)
		if !ok || value == "" || f.Changed(name) {
			continue
		}
		if err := f.Lookup(name).Value.Set(value); err != nil {
			return taken, fmt.Errorf("%s=%q: %w", variable, value, err)
		}
		taken = append(taken, name)
	}
	return taken, nil
}
