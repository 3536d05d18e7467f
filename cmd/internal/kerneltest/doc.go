// Kerneltest runs test programs on a real Linux kernel with real XFS and ext4 quotas, in an
// emulated machine. The machines that run the tests rarely have such filesystems, and no simulator
// knows what a real filesystem rounds, refuses and keeps.
//
//	go run ./cmd/internal/kerneltest PROGRAM[:PATTERN]…
//
// Each PROGRAM is a static test binary (go test -c). Its tests that match PATTERN run as root, with
// -test.v. Without PATTERN all of them run. They find /mnt/xfs and /mnt/ext4, newly created and
// mounted with group and project quotas. The disks are /dev/vda (XFS) and /dev/vdb (ext4).
// Kerneltest prints what the programs print, and exits with 0 if all passed.
//
// It needs qemu-system-x86_64, mkfs.xfs, mkfs.ext4, apt-get and dpkg-deb. The kernel and busybox
// come from Debian's packages, which are unpacked below bin/kernel and installed nowhere. The
// machine is emulated without KVM and needs about 20 seconds to start and stop.
package main
