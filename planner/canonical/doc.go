// Package canonical is the one form of a plan as JSON, and the digests of it: what an approval
// signs, what a plan file carries, and what every rendering names. It is pure.
package canonical
