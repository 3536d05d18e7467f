// Package linux reads and sets the group and project quotas of the Linux kernel, on XFS and ext4.
//
// # How it asks
//
// By quotactl_fd(2) on an open directory of the filesystem, so that no device has to be found;
// kernels before 5.14 lack it, and are asked by quotactl(2) with the device that
// /proc/self/mountinfo names for the directory. Nothing is started and nothing is linked in. The
// structures are those of linux/quota.h and linux/dqblk_xfs.h, the same on every 64-bit machine.
//
// # What differs between filesystems
//
// Measured on Linux 6.1, and held by the tests that run on a real kernel (make test-kernel):
//
//   - XFS keeps limits in filesystem blocks and rounds up what is no multiple of them; ext4 keeps KiB. [Traits].Unit says
//     which, and [Client.Set] refuses other limits rather than have them rounded.
//   - XFS takes a soft limit above the hard one and changes nothing, with success; ext4 stores it. Set refuses both.
//   - On ext4 a change of a limit starts a running grace clock again, unless the call carries the clock's time. Set carries it.
//   - An id that never had a quota is ENOENT on XFS and zeros on ext4: no limits and nothing used, in both cases.
//   - On ext4 root may write beyond a hard limit; on XFS nobody may.
//
// Limits that the kernel keeps but does not enforce (mounted with gqnoenforce, or before quotaon)
// are unknown, not set.
package linux
