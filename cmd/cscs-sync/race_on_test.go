//go:build race

package main

// slowdown is how much slower the race detector makes things, generously.
const slowdown = 20
