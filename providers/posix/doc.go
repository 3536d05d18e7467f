// Package posix is the only part of cscs-sync that touches managed directories. It opens them
// safely, observes them, creates them, changes owner, mode, ACLs and project id, and moves them
// into the archive and back. It works on Linux only: it needs openat2 (kernel 5.6) and statx's
// mount id (5.8), and refuses to work without them.
//
// # Promises
//
//   - Every managed directory is reached from an open descriptor by openat2 with RESOLVE_BENEATH,
//     RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS. If somebody replaces a component by a link, a
//     file, a fifo or a mount, it is refused, however fast that happens. Nothing outside of the
//     tree is ever read or changed, and no call waits on a fifo.
//   - Mounts are crossed only on the way from storage.root down to a system's directory, never
//     below it.
//   - A change is made through the descriptor of the directory. Before it, the directory's inode
//     and its name in the parent are compared with what was expected. If they differ, the error is
//     [ErrChanged] and nothing is changed.
//   - What could not be read is [planner.DirUnknown], never absent. A directory is called absent
//     only if the directory above it exists. What is in the way is named, as
//     [planner.DirObstructed].
//   - A tree gets its project id entry by entry, and each entry is held before it is opened; see
//     [Dir.Tag].
//   - Archiving is a rename within one filesystem. It never copies, never replaces anything and
//     never crosses a mount.
//
// # Use
//
//	root, err := posix.OpenRoot("/mnt/lustre")
//	defer root.Close()
//	mount := root.Mount(system)                             // is the right filesystem mounted?
//	dir := root.Observe(system, "capstor/store/cscs/x")     // what is at a storage path?
//
//	sys, err := root.System(system, recordedIdentity)       // for changes; checks the mount again
//	defer sys.Close()
//	d, err := sys.Make("capstor/store/cscs/x")              // 0700, ours, empty; or sys.Open(path, inode)
//	defer d.Close()
//	err = errors.Join(d.Own(0, 30500), d.Chmod(0o2770))     // mode last
//
// Storage paths are clean and relative to storage.root. A [Root] holds descriptors on the mounts
// that it has seen, so they cannot be unmounted. Open a Root for each command or round, and close
// it.
//
// None of the calls can be interrupted, because the kernel does not give up a system call on a hung
// mount. Package providers runs them separately for each mount, with deadlines.
package posix
