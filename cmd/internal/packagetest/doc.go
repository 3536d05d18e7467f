// Package packagetest tries the packages that `make packages` makes: it installs the .deb on this machine, runs what it
// brought, and removes it again. The tests have the build tag packages, because they change the machine: make test-packages.
package packagetest
