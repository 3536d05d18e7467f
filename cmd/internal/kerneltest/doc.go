// Kerneltest runs test programs on a real Linux kernel with real XFS and ext4 quotas, in an emulated machine. The machines
// that run the tests seldom have such filesystems, and quotas cannot be pretended: what a filesystem rounds, refuses and
// keeps is what the tests are about.
//
//	go run ./cmd/internal/kerneltest PROGRAM…
//
// Each PROGRAM is a static test binary (go test -c). In the machine it finds /mnt/xfs and /mnt/ext4, freshly made and mounted
// with group and project quotas, and runs as root with -test.v. Kerneltest prints what they print and exits 0 if all passed.
//
// It needs qemu-system-x86_64, mkfs.xfs, mkfs.ext4, apt-get and dpkg-deb. The kernel and busybox come from Debian's packages,
// are unpacked below bin/kernel, and are installed nowhere. The machine is emulated without KVM and takes about 20 seconds.
package main
