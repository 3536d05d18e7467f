// Package packagetest tests the packages that `make packages` creates. It installs the .deb on this
// machine, runs what is in it, and removes it again. The tests have the build tag packages because
// they change the machine: run make test-packages.
package packagetest
