// Package planner decides what cscs-sync does. It is pure: no I/O, no clock, no randomness, and no
// package variables that change. What it knows comes in as arguments, and what it decides goes out
// as a [Plan].
//
// # From a listing to a plan
//
// A caller that wants a plan takes four steps, and does the I/O between them:
//
//	qs := planner.Questions(settings, selection, items) // ask Waldur about these orders
//	graph := planner.Desire(&planner.Input{…})          // the desired-state graph
//	// observe graph.Targets() and graph.QuotaTargets(seen)
//	plan := planner.Compare(graph, observed, header)    // what differs, and what is done about it
//
// Before an approved plan runs, the same steps are taken again for its resources, and [Recheck]
// names what is no longer as the plan showed it.
//
// # Where each rule is
//
//	place.go     mount path → storage path, and which paths no resource may have
//	order.go     what status and order ask for: an order acts only with its URLs
//	want.go      the proxy's values, then overrides, then the checks on the final values
//	conflict.go  two resources on one directory, or one inside another
//	claim.go     several claims on one quota identity
//	claimtable.go  the table of all claims
//	selection.go what the plan is about, and what has to be observed for it
//	decide.go    present, absent, removing: which action, and whether it is dangerous
//	project.go   which project id a directory has
//	danger.go    what is dangerous about an action
//	unfinished.go  a directory that an apply made and could not finish
//	replaced.go  another directory than the recorded one stands at its path
//	above.go     what is recorded beside a new directory says whether the one above is still the same
//	loose.go     what the plan of a part of the site depends on: see package near
//	acl.go       what ACLs say beyond the mode
//	change.go    attribute by attribute: before, after, provenance, drift
//	recheck.go   is an approved plan still true?
//	show.go      amounts and modes, for people
//	attribute.go the one table of attributes; limit.go has those of quotas
//	records.go   what is recorded, packed, because a plan needs all of it; record.go has the
//	             stored form
//
// # What always holds
//
// An unknown observation is never taken as absent, zero or equal: a [Limit] and a [Directory] are
// unknown until something is known about them. A resource that the listing lacks is never removed
// for that: only an order that terminates leads to [Archive], by the status "removing" or, in
// error, by what Waldur says about the order. One bad item never stops the others: it becomes a
// [Refusal] with its reason. The same wishes on the same storage give the same [Core], byte for
// byte, whatever the order of the input.
package planner
