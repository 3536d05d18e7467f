// Package lustre reads and sets the quotas of a Lustre filesystem, by the ioctl OBD_IOC_QUOTACTL or
// by the program lfs.
//
// # Doubt
//
// A quota that could not be read is unknown, never zero and never unlimited; limits and usage are
// known separately. When a part of the file servers does not answer, Lustre still reports success:
// the ioctl leaves out a valid bit, lfs puts the number in brackets. Both are unknown here. A limit
// of 0 is Lustre's way to say that there is none: it is read as [planner.Unlimited], and only that
// is written as 0. Limits that cannot be meant are refused before anything is sent, see
// [quota.Check].
//
// Usage lags by some seconds behind what users do, and a server that is deactivated is left out
// without a word: usage is for people and for the question whether a limit would fall below it.
//
// # Listing
//
// Since 2.16 the ioctl, and since 2.17 lfs (-a -n), show all ids of a range that have a record. Ids
// with usage but without a record are missing, names stand in the place of ids unless -n is given,
// and a number in brackets means that there is no record of that kind: what is not whole is left to
// Get. Older releases say that they do not know the command, and are not asked again.
//
// # Setting
//
// All four limits go in one call, so that two callers cannot mix theirs, and are not believed to be
// set until they have been read back; that is the caller's task.
//
// While a group is over its soft limit, a grace clock runs. Setting limits starts the clock again
// unless the call brings its end along. [quota.Keep] returns which clocks should continue: those whose
// soft limit stays. The clock of a soft limit that changes starts over, as Lustre means it.
//
// By ioctl the clock's end is sent with the four limits. lfs has no flag for it: with all four
// limits given, every release from 2.12 to 2.17 lets the clock start again, so that a limit raised
// once a week would never expire. Only when the soft limit of a pair is left out does lfs read it,
// together with its clock, and send both back with the new hard limit: two calls, between which
// another administrator's change would be lost. So with client = "lfs", too, a limit whose clock is
// to be kept is set by the ioctl, in one call; the struct is the same in all those releases. Every
// lfs line that a Lustre filesystem ever gets from here sets all four. Where there is no Lustre to
// take the ioctl (filesystem = "any", to try things out with a stand-in), the soft limit is left
// out.
//
// # Mounts that hang
//
// When a metadata server is away, lfs and the ioctl hang, and may not even die when killed. Each
// call has a deadline, and is left behind when it has not ended a second after it. What was left
// behind is counted, see by the client; with [hang.MaxStuck] of them no further call is begun.
//
// # lfs
//
// lfs is run by its absolute path without a shell, with LC_ALL=C and nothing else in the
// environment, with numeric ids, and with limits in KiB without suffix. Its output is read as
// words, not columns: widths, line breaks and notes differ from release to release (tested with the
// output of 2.12.9, 2.15.8 and 2.17.57). lfs takes an id for a name first, so the id in the title
// of each answer is compared, and nothing is set before that.
package lustre
