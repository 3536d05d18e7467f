// Package config reads a site's configuration, in HCL's native syntax, and turns it into what the
// rest of cscs-sync works with.
//
//	c, diags := config.Load("/etc/cscs-sync", config.OS(), config.Options{Secrets: config.Read})
//	config.WriteDiagnostics(os.Stderr, diags, c.Sources, 80, false)
//	if diags.HasErrors() { … }
//
// A path is a file, or a folder whose *.hcl are read together, in the order of their names. All
// findings are collected and come at once, sorted by place. Load always returns a Config: with
// errors, only its Sources are of use.
//
// # Secrets
//
// Secrets come from file("…") or env("…") and nowhere else, and these two can be called only in
// secrets and URLs: elsewhere they are functions that fail, so no expression can carry a secret
// into a plan. What they return is marked; a URL with that mark is never quoted in a message. A
// relative path in file("…") is relative to the folder of the configuration that says it. A secret
// written into the configuration itself is an error; [Config.Sources] have such places blanked out,
// on every line that begins like a secret, so that no writer of diagnostics can show one. [Secret]
// shows its value to [Secret.Reveal] alone.
//
// # Files
//
// Configuration, signers and secrets must belong to root or the caller and be writable by nobody
// else; secrets must not be readable by others either. That is checked on the open file, after
// links were followed.
//
// # What is where
//
// All of it goes into [Config]; what planning depends on into [planner.Settings], with a
// fingerprint that tells a plan made under another configuration. Overrides are compiled by package
// override.
package config
