// Package planner decides what cscs-sync does. It is pure: no I/O, no clock, no randomness, no package variables that
// change; what it knows comes in as arguments, and what it decides goes out as a [Plan].
package planner
