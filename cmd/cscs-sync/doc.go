// Cscs-sync keeps HPC storage in step with what the Waldur Storage Proxy asks for: plan, review,
// approve, apply.
//
// This package is the command line: one file a command, flags in, the engine called, the result
// printed. Nothing here decides what is done with storage: package planner does. What commands say
// is in packages below planner, what a configuration opens is in cmd/internal/session, and what a
// terminal needs is in cmd/internal, too. A command line goes this way:
//
//	main.go     hands the process to run
//	app.go      what a command may use of the process; one command line
//	root.go     the tree of commands, global flags
//	session.go  the process as a session needs it
//	exit.go     outcomes, refusals and errors → exit codes, in one place
//	ui.go       how an error is shown
package main
