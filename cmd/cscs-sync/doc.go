// Cscs-sync keeps HPC storage in step with what the Waldur Storage Proxy asks for: plan, review,
// approve, apply.
//
// This package is the command line: one file a command, and wiring. Nothing here decides what is
// done with storage: package planner does. What commands say is in packages below planner, and what
// a terminal needs in cmd/internal. A command line goes this way:
//
//	main.go     hands the process to run
//	app.go      global flags, dispatch; what a command may use of the process
//	root.go     the tree of commands
//	exit.go     outcomes, refusals and errors → exit codes, in one place
//	ui.go       how an error is shown
//	session.go  configuration and state of one command
//	wiring.go   the engine of a session, with the real things behind its interfaces
//	run.go      the unattended loop, with the process's signals and files
package main
