// Package lustre reads and sets the quotas of a Lustre filesystem, with the ioctl OBD_IOC_QUOTACTL
// or the program lfs.
//
// # Doubt
//
// A quota that cannot be read is unknown, never zero and never unlimited. Limits and usage are
// known separately. When some of the file servers do not answer, Lustre still reports success: the
// ioctl omits a valid bit, and lfs prints the number in brackets. Here, both are unknown. Lustre's
// limit of 0 means that there is no limit. It is read as [planner.Unlimited], and only
// [planner.Unlimited] is written as 0. Limits that cannot be intended are refused before anything
// is sent; see [quota.Check].
//
// Usage lags a few seconds behind, and silently leaves out a deactivated server. It is good enough
// for people, and for the question whether a limit would fall below it.
//
// # Listing
//
// Since 2.16 the ioctl, and since 2.17 lfs (-a -n), list all ids of a range that have a record. Ids
// with usage but without a record are missing. Without -n, lfs prints names instead of ids. A
// number in brackets means that there is no record of that kind. Incomplete records are left to
// Get. Older releases answer that they do not know the command, and are not asked again.
//
// # Setting
//
// All four limits go in one call, so that two callers cannot mix theirs. The caller must read the
// limits back to be sure that they were set.
//
// While a group is over its soft limit, a grace clock runs. Setting limits restarts the clock,
// unless the call includes the clock's end. [quota.Keep] returns which clocks should continue:
// those whose soft limit stays the same. The clock of a soft limit that changes starts over, as
// Lustre intends.
//
// With the ioctl, the clock's end is sent together with the four limits. lfs has no flag for it. If
// all four limits are given, every release from 2.12 to 2.17 restarts the clock, so a limit that is
// raised once a week would never expire. Only if the soft limit of a pair is omitted does lfs read
// it, together with its clock, and send both back with the new hard limit. These are two calls, and
// another administrator's change between them would be lost. So even with client = "lfs", a limit
// whose clock must be kept is set by the ioctl, in one call. The struct is the same in all those
// releases. Every lfs command that a Lustre filesystem ever gets from this package sets all four
// limits. Only where there is no Lustre that knows the ioctl (filesystem = "any", to try things out
// with a simulator) is the soft limit omitted.
//
// # Mounts that hang
//
// When a metadata server is down, lfs and the ioctl hang, and may not even die when killed. Each run
// of lfs and each ioctl has a deadline, except the ioctl that reads one quota: hundreds of thousands
// are read at a time, by workers that [providers.StorageObserver] watches. A call that has not ended
// a second after its deadline is abandoned and counted; see the method stuck. With too many of them,
// no further call is started.
//
// # lfs
//
// lfs runs by its absolute path and without a shell. Its environment is LC_ALL=C and nothing else.
// It gets numeric ids, and limits in KiB without a suffix. Its output is read as words, not
// columns, because widths, line breaks and notes differ from release to release (tested with the
// output of 2.12.9, 2.15.8 and 2.17.57). lfs first tries an id as a name. Therefore the id in the
// title of each answer is compared, and nothing is set before that.
package lustre
