// Cscs-sync keeps HPC storage in step with what the Waldur Storage Proxy asks for: plan, review, approve, apply.
//
// This package is the command line: one file a command, wiring, and terminal views. Nothing here decides what is done
// with storage; package planner does. A command line goes this way:
//
//	main.go     hands the process to run
//	app.go      global flags, signals, dispatch; what a command may use of the process
//	command.go  the table of commands, help
//	exit.go     every error's exit code, in one function
//	ui.go       the rules of what is printed where
//	session.go  configuration, state, source and storage of one command
//	planning.go the pipeline: list → ask → desire → observe → compare
//	wiring.go   the real things behind the interfaces
package main
