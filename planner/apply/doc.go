// Package apply runs an approved plan. It decides nothing: the plan says what to do, and whether
// that is still right was checked before. It reaches storage, Waldur, journal and clock through
// interfaces.
//
// # Order
//
// An apply makes all parent directories, topmost first, and then works on the resources, some at a
// time:
//
//	create   mkdir 0700 → project id → quota → ACLs off → owner → mode → sync → look → sync parent
//	update   quota → owner → mode → sync → look
//	archive  try what could fail, write the manifest → approve → rename → sync → freeze the quota
//	restore  rename → sync → quota → owner → mode → sync → look
//
// Only what was seen counts as done. A step that fails leaves a new directory closed to all but
// root and recorded as unfinished, and the next plan finishes it. An old directory whose mode could
// not be set is no wider than before. A resource's callbacks are sent when its storage is done.
// Only the approve of an archive is sent before the move: if Waldur refuses or does not answer,
// nothing is moved, and the manifest is removed again.
//
// # Killed at any point
//
// The plan is the list of intents. The ledger records that the plan has begun, synced, before the
// first change. What was done, what is recorded and which callbacks are due goes into the state in
// one transaction per batch, after the storage is synced and before the first callback. When a
// begun plan is applied again, the engine looks at each resource. A resource that is as planned is
// done now; one that is as wanted is done already; one that we left unfinished (closed, empty,
// ours) is finished. If our callback moved an order before the kill, asking for the order shows it.
// So no callback takes effect twice.
package apply
