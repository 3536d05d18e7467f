package config

import _ "embed"

//go:embed template.hcl
var template string

// Template returns the commented configuration that cscs-sync init writes. It is valid once the
// files proxy.token and waldur.token are beside it.
func Template() string { return template }
