// Package config reads a site's configuration, written in HCL's native syntax, and evaluates it for
// the rest of cscs-sync.
//
//	c, diags := config.Load("/etc/cscs-sync", config.OS(), config.Options{Secrets: config.Read})
//	config.WriteDiagnostics(os.Stderr, diags, c.Sources, 80, false)
//	if diags.HasErrors() { … }
//
// A path is a file, or a folder whose *.hcl are read together, in the order of their names. All
// findings are collected and returned at once, sorted by place. Load always returns a Config. If
// there are errors, only its Sources are usable.
//
// # Secrets
//
// Secrets come from file("…") or env("…") and nowhere else. These two can be called only in secrets
// and URLs; elsewhere they are functions that fail, so no expression can put a secret into a plan.
// Their results are marked, and a URL with that mark is never quoted in a message. A relative path
// in file("…") is relative to the folder of the configuration that has it. A secret written into
// the configuration itself is an error. [Config.Sources] has such places blanked out, on every line
// that begins like a secret, so that no writer of diagnostics can show one. Only [Secret.Reveal]
// shows the value of a [Secret].
//
// # Files
//
// Configuration, signers and secrets must belong to root or the caller and be writable by nobody
// else. Secrets must not be readable by others either. This is checked on the open file, after
// links were followed.
//
// # What is where
//
// [Config] has everything. What planning depends on is in [planner.Settings], with a fingerprint
// that shows whether a plan was made under another configuration. Package override compiles the
// overrides.
package config
