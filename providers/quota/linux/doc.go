// Package linux reads and sets the group and project quotas of the Linux kernel, on XFS and ext4.
//
// # How it works
//
// The package calls quotactl_fd(2) on an open directory of the filesystem, so that no device has to
// be found. Kernels before 5.14 lack that call. There it calls quotactl(2) with the device that
// /proc/self/mountinfo names for the directory. It starts no program and links no library. The
// structures are those of linux/quota.h and linux/dqblk_xfs.h, which are the same on every 64-bit
// machine.
//
// # What differs between filesystems
//
// These facts were measured on Linux 6.1. Tests on a real kernel (make test-kernel) check them:
//
//   - XFS keeps limits in filesystem blocks and rounds other values up. ext4 keeps KiB.
//     [Traits].Unit is the unit, and [Client.Set] refuses limits that would be rounded.
//   - XFS accepts a soft limit above the hard limit, reports success and changes nothing. ext4
//     stores it. Set refuses both.
//   - On ext4, a change of a limit restarts a running grace clock, unless the call includes the
//     clock's end. Set includes it.
//   - An id that never had a quota is ENOENT on XFS and zeros on ext4. Both mean no limits and no
//     usage.
//   - On ext4, root may write beyond a hard limit. On XFS, nobody may.
//
// If the kernel keeps limits but does not enforce them (mounted with gqnoenforce, or before
// quotaon), they are unknown.
package linux
