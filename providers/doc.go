// Package providers defines what the planner needs from the outside world: the interfaces [Source],
// [Orders] and [Observer]. It also has [StorageObserver], which reads directories and quotas in
// parallel, each mount on its own. Each package below this one implements one real thing. The
// commands put them together; this package imports none of them.
//
// # Mounts that hang
//
// A system call on a mount whose servers are down does not return and cannot be interrupted.
// Therefore [StorageObserver]
//
//   - first probes each system's directory, with a deadline;
//   - gives each mount its own pool of workers, so that no mount delays another;
//   - watches each pool. When no worker has had an answer for as long as the deadline, the mount
//     hangs. Its pool is abandoned, its answers so far are kept, and the rest is unknown with the
//     reason "mount … did not answer within 10s". A call that hangs alone keeps its worker busy; it
//     is given up like this once the others are done;
//   - remembers what it abandoned. As long as one call on a mount has not returned, no new call is
//     started there. A mount that hangs for weeks holds the workers of one pool and no more. Calls
//     on single quotas are counted by themselves: others are made until all workers hang.
//
// # Reading in bulk
//
// Reading one quota costs a call to every server. Where the filesystem can list its quotas
// ([QuotaLister]), they are listed in ranges, one call at a time, and only the gaps are read one by
// one. A list is believed only if single reads before and after it were complete: a list silently
// leaves out the numbers of a server that is down.
//
// Unknown is never treated as absent, and a plan that depends on something unknown does nothing.
package providers
