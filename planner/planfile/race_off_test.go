//go:build !race

package planfile

const fewer = 1
