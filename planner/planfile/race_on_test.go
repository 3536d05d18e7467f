//go:build race

package planfile

// fewer is by how much tests that only take time are smaller under the race detector. `make test`
// runs them at full size without it.
const fewer = 10
