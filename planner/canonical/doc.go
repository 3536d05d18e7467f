// Package canonical defines the one form of a plan as JSON, and its digests: what an approval
// signs, what a plan file has, and what every rendering names. It is pure.
package canonical
