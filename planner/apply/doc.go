// Package apply runs an approved plan. It has no planning logic: what to do stands in the plan, and
// whether that is still right was decided before. Storage, Waldur, journal and clock come in
// through interfaces.
//
// # Order
//
// First all directories above, topmost first; then the resources, some at a time:
//
//	create   mkdir 0700 → project id → quota → ACLs off → owner → mode → sync → look again → sync the one above
//	update   quota → owner → mode → sync → look again
//	archive  check all that could fail, write the manifest → approve → rename → sync → quota, where it is frozen
//	restore  rename → sync → quota → owner → mode → sync → look again
//
// Only what was seen counts as done. A step that fails leaves a new directory closed to all but
// root, and recorded as unfinished: the next plan finishes it. A mode that does not stick leaves an
// old directory no wider than it was. The callbacks of a resource follow when its storage is done,
// and the archive's approve comes before it: a refusal, or no answer, moves nothing, and the
// manifest is removed again.
//
// # Killed at any point
//
// The plan is the list of intents. The ledger has it as begun, synced, before the first change;
// what was done, what is recorded and what Waldur is still to be told goes into the state in one
// transaction a batch, after the storage is synced and before the first callback. When an apply of
// a begun plan comes again, each resource is looked at: as planned, it is done; as wanted, it is
// done already; left unfinished by us (closed, empty, ours), it is finished. An order that our
// callback moved before the kill is recognised by asking for it: no callback takes effect twice.
package apply
