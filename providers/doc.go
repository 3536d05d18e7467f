// Package providers holds what the planner needs of the world: the interfaces [Source], [Orders] and [Observer], and
// [StorageObserver], which looks at directories and quotas in parallel, each mount by itself. The packages below it each
// stand for one real thing and are put together by the commands; this package imports none of them.
//
// # Mounts that hang
//
// A system call on a mount whose servers are away does not come back, and cannot be interrupted. [StorageObserver]
// therefore
//
//   - asks each system's directory first, as a probe, with a deadline;
//   - gives each mount a pool of workers of its own, so that one mount delays no other;
//   - watches each pool: when none of its workers has got an answer for as long as the deadline, the mount hangs. Its pool
//     is left behind, what it had seen is kept, and the rest is unknown with the reason "mount … did not answer within 10s";
//   - remembers what it left behind: as long as one call on a mount has not come back, nothing new is begun there. A mount
//     that hangs for weeks holds the workers of one pool, and no more.
//
// # Reading in bulk
//
// One quota costs a call to every server. Where the filesystem can list its quotas ([QuotaLister]), identities are asked for
// in ranges, one call at a time, and only the gaps one by one. A list is believed only if single answers before and after it
// were complete: a server that is away is left out of a list without a word.
//
// Unknown is never absent, and a plan that depends on it does nothing.
package providers
