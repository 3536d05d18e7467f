// Package state keeps what cscs-sync knows between two runs: what it has recorded of each resource, the archive
// register, plans that have begun and their journals, callbacks that wait for Waldur, holds, the index of the last
// complete listing, approvals that were used, held and begun plan files, the loop's memory, and a history in which every
// entry vouches for the ones before it.
//
// All of it lies in one folder, state.path, which belongs to root or the caller and is writable by nobody else:
//
//	state.db        everything above: a bbolt file (package state/bolt)
//	state.db.bak    the last good copy
//	apply.lock      held while an apply runs
//	approval.key    the key of local approvals
//	pending/        copies of held plans, for people who read them; see [Files]
//
// # Batches
//
// A [Store] holds no open file. [Store.Update] and [Store.View] open state.db for one batch, lock it, check it, call a
// function with a [Tx], and close it again, so that others can read and write in between. An Update is one
// transaction: after it returned nil everything in it is on disk, after an error nothing of it is. Keep batches short
// and do nothing slow in them: a writer that waits longer than [Options].Timeout gives up with [ErrBusy].
//
// A state that does not exist is empty. That is always safe: an empty state makes plans more careful, never less, and
// holds no data that could be lost. The first Update makes the folder and the file.
//
// # Values
//
// Values are JSON, but for records, of which every plan reads all: those are stored in the binary form of
// [planner.Record.AppendBinary], which is less than half as long and read in a fraction of the time. [Store.Pull] shows all as JSON.
//
// # Damage
//
// Every value carries a version and a CRC-32C over its bucket, its key and itself, and for each bucket the file holds
// the number of its values and the sum of their checksums. Before a batch, the pages of the file are walked without
// trusting them, every checksum is verified, and the sums are compared; so a flipped bit, a lost page, a truncated file
// or a missing value is an error of type [DamagedError] that names the file, and never a wrong answer or a crash.
// The walk costs about as much as reading the file once. A Store leaves it out when the file is still exactly as its
// own last batch left it; the checksum of each value that is read is verified always.
//
// Before its first Update, a Store copies the file, which it has just found to be good, to state.db.bak. A damaged file
// is never repaired, overwritten or put back by itself. A person moves it away and either renames state.db.bak to
// state.db, or continues with an empty state; then `cscs-sync archive rescan` rebuilds the archive register.
//
// A file written by a newer version is refused, and so is one that may not be written, before anything is changed.
package state
