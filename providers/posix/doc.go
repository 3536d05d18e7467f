// Package posix is the only part of cscs-sync that touches managed directories. It opens them safely, observes them,
// makes them, changes owner, mode, ACLs and project id, and moves them into the archive and back. Linux only: it stands
// on openat2 (kernel 5.6) and statx's mount id (5.8), and refuses to work without them.
//
// # Promises
//
//   - Every managed directory is reached from an opened descriptor by openat2 with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS
//     and RESOLVE_NO_MAGICLINKS. A component that somebody swaps for a link, a file, a fifo or a mount is refused,
//     however fast he does it; nothing outside of the tree is ever read or changed, and nothing waits on a fifo.
//   - Mounts are crossed only on the way from storage.root down to a system's directory, never below it.
//   - A change is made on the descriptor of the directory, after comparing its inode and the name that leads to it with
//     what was expected. A difference is [ErrChanged], and nothing is changed.
//   - What could not be looked at is [planner.DirUnknown], never absent. Absent is said only below a directory that is
//     there; what stands in the way is [planner.DirObstructed] and named.
//   - A tree is tagged with a project id entry by entry, each held before it is opened; see [Dir.Tag].
//   - Archiving is a rename within one filesystem. It never copies, never replaces anything and never crosses a mount.
//
// # Use
//
//	root, err := posix.OpenRoot("/mnt/lustre")
//	defer root.Close()
//	mount := root.Mount(system)                             // is the right filesystem there?
//	dir := root.Observe(system, "capstor/store/cscs/x")     // what stands at a storage path?
//
//	sys, err := root.System(system, recordedIdentity)       // for changes: the mount is checked again
//	defer sys.Close()
//	d, err := sys.Make("capstor/store/cscs/x")              // 0700, ours, empty; or sys.Open(path, inode)
//	defer d.Close()
//	err = errors.Join(d.Own(0, 30500), d.Chmod(0o2770))     // mode last
//
// Storage paths are clean and relative to storage.root. A [Root] holds descriptors on the mounts it has seen, which
// keeps them from being unmounted: open one for each command or round, and close it.
//
// None of the calls can be interrupted, since the kernel does not let go of a system call on a hung mount. Package
// providers keeps them apart for each mount, with deadlines.
package posix
