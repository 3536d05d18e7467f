// Package render shows plans as the text of plan files, as Markdown, HTML and JSON, and shows what
// differs between two plans. It is pure: no I/O, no clock, no environment, no terminal. The same
// plan gives the same bytes everywhere.
//
// Everything from outside passes through [Escape] or [Quote], and every line of a text of several
// lines has a mark. So whatever a name or a message contains, it can't add, hide or imitate a line
// of the plan.
package render
