package planfile

import "fmt"

// FormatError says why a file is not taken as a plan file: where, what, and what to do.
type FormatError struct {
	// Line counts from 1 in the file's normal form; 0 if the problem has no line.
	Line int
	// Problem is what is wrong, Hint the way out.
	Problem, Hint string
}

func (e *FormatError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf("line %d: ", e.Line)
	}
	return "plan file: " + at + e.Problem + ": " + e.Hint
}

// ForeignError says that a plan was written by rules other than this program's.
type ForeignError struct{ Renderer int }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("plan file: written by rendering rules %d, this program has %d, so its text can't be checked against what would run: "+
		"use the version of cscs-sync that made it, or make a new plan", e.Renderer, Renderer)
}

const freshCopy = "ask its author for a fresh copy"

func damaged(line int, format string, args ...any) error {
	return &FormatError{Line: line, Problem: fmt.Sprintf(format, args...), Hint: freshCopy}
}
