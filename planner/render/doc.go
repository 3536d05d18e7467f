// Package render shows plans: as the text of plan files, as Markdown, HTML and JSON, and what
// differs between two of them. It is pure: no I/O, no clock, no environment, no terminal; the same
// plan gives the same bytes everywhere.
//
// Everything from outside passes through [Escape] or [Quote], and texts of several lines carry a
// mark on every line: whatever a name or a message contains, it can't add, hide or imitate a line
// of the plan.
package render
