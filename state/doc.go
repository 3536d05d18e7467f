// Package state stores what cscs-sync must remember between two runs: the records of resources, the
// archive register, plans that have begun and their journals, callbacks that wait for Waldur,
// holds, the index of the last complete listing, used approvals, held and begun plan files, the
// loop's memory, and a history in which each entry has the hash of the one before it.
//
// Everything is in one folder, state.path. It must belong to root or the caller, and nobody else
// may write to it:
//
//	state.db        everything above: a bbolt file (package state/bolt)
//	state.db.bak    the last good copy
//	apply.lock      held while an apply runs
//	approval.key    the key of local approvals
//	pending/        copies of held plans, for people who read them; see [Files]
//
// # Batches
//
// A [Store] holds no open file. [Store.Update] and [Store.View] open state.db for one batch, lock
// it, check it, call a function with a [Tx], and close it again, so that other processes can read
// and write in between. An Update is one transaction: when it returns nil, all of its changes are
// on disk; when it returns an error, none are. Keep batches short and do nothing slow in them: a
// writer that has to wait longer than [Options].Timeout gives up with [ErrBusy].
//
// A state that does not exist is empty. This is always safe: an empty state makes plans more
// careful, never less, and there is no data that could be lost. The first Update creates the folder
// and the file.
//
// # Values
//
// Values are JSON, except for records, for the notes of which records were written, and for plan
// files and other documents. Every plan reads all records, so they are stored in the
// binary form of [planner.Record.AppendBinary], which is less than half as long and can be read in
// a fraction of the time. [Store.Pull] writes everything as JSON.
//
// # Damage
//
// Every value has a version and a CRC-32C of its bucket, its key and itself. For each bucket, the
// file stores the number of its values and the sum of their checksums. Before a batch, the pages of
// the file are walked without trusting them, every checksum is verified, and the sums are compared.
// So a flipped bit, a lost page, a truncated file or a missing value is a [DamagedError] that names
// the file, and never a wrong answer or a crash. The walk costs about as much as reading the file
// once. A Store skips it if the file is still exactly as its own last batch left it. The checksum
// of each value that is read is always verified.
//
// Before its first Update, a Store copies the file, which was just found to be good, to
// state.db.bak. A damaged file is never repaired, overwritten or restored automatically. A person
// moves it away and then either renames state.db.bak to state.db, or continues with an empty state;
// then `cscs-sync archive rescan` rebuilds the archive register.
//
// A file that was written by a newer version, or that may not be written, is refused before
// anything is changed.
package state
