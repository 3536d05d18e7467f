// Lfs-sim takes the place of Lustre's `lfs` where there is no Lustre: in the demo, in tests, on a
// laptop. It accepts the arguments of `lfs quota`, `lfs setquota`, `lfs project` and `lfs
// --version`, and answers with the output, exit codes and traps of the real program, release 2.15.8
// or 2.17.57. Limits are stored in files; nothing enforces them.
//
// # Setting it up
//
// The directories are real, the quotas are simulated. lfs-sim finds its state by the path with
// which it is called, plus ".json"; symlinks are not followed. This is because cscs-sync starts lfs
// with an empty environment. LFS_SIM_STATE, if set, takes precedence.
//
//	mkdir -p demo/mnt/capstor
//	ln -s "$(command -v lfs-sim)" demo/lfs
//	demo/lfs sim init --state demo/lfs.json --release 2.15.8 --mount demo/mnt/capstor=capstor
//	demo/lfs setquota -g 30500 -b 1T -B 2T -i 0 -I 1M demo/mnt/capstor
//	demo/lfs sim usage -g 30500 --space 1.5T --inodes 12000 demo/mnt/capstor
//	demo/lfs quota -g 30500 demo/mnt/capstor
//
// # Simulating problems
//
// The command `sim`, which the real lfs does not have, controls the simulation. Each subcommand
// takes --state FILE; without it, the state is found as above. The exit code is 0, 1 for an error,
// or 2 for a usage error.
//
//	sim init --release R --mount PATH[=FSNAME]… [--osts N] [--mdts N] [--pool NAME=0,1]… [--user NAME=ID]…
//	         [--group NAME=ID]… [--projid NAME=ID]… [--as-root] [--force]
//	sim usage {-u|-g|-p} ID [--space BYTES|12T] [--inodes N] PATH
//	sim fail --on quota|setquota|project --errno EIO|ETIMEDOUT|…|number [--id N] [--count N]
//	sim hang --on quota|setquota|project [--seconds N] [--id N] [--count N]
//	sim lose-ost PATH [--index N]
//	sim clear
//	sim clock UNIX|real
//	sim log [--clear]
//
// A fault on `quota` affects every reading of a quota, including the one that `setquota` makes if
// only one limit of a pair is given. A fault on `setquota` affects the setting. A fault on
// `project` affects each inode that is listed, checked or changed. The first fault that matches
// applies. With --count N it is removed after N uses. A call that hangs waits for --seconds, or an
// hour, and then continues; it does not block others. While an OST is lost, its part is missing
// from the usage, which is printed in brackets, and `quota` exits with 5.
//
// With --as-root every caller may do what otherwise only root may do. Names of users, groups and
// projects come from the state and not from the machine. The log has the arguments of every call,
// whether or not it succeeded.
//
// Exit code 125 and a message that begins with "lfs-sim:" mean that the simulation itself failed:
// there is no state, the state cannot be parsed, or the disk is full.
//
// # Files
//
// The state FILE is JSON and may be written by hand: release, mounts, filesystems, names, now,
// as_root, faults. FILE.d next to it has what calls change: limits, grace times and usage in one
// small file for each identity, project ids in one for each inode, and the log. Every caller must
// be able to write there. All changes are made under a kernel lock.
//
// # Differences
//
// Tests compare it with transcripts of the real programs, byte by byte, except for these steps:
//
//   - list children: the order of a directory's entries is that of their names, not the file system's
//   - list recursively: as above
//   - children after non-recursive set: as above
//   - list after recursive set: as above
//   - list after clear: as above
//
// These differences are not in the transcripts, but known:
//
//   - Only the three commands and --version exist. Any other command fails with the message of
//     2.17.
//   - Usage is what `sim usage` sets, immediately. Directories are not measured, and project ids do
//     not change usage.
//   - Space is on the OSTs in turn, 1 MiB on each. All inodes are on MDT0000. The grants in `quota
//     -v` follow from that.
//   - `setquota -r` changes nothing and takes no time.
//   - Id 0 reads as unlimited, whatever the default quota is.
//   - A directory on no mount of the state is treated as ext4 without project quota.
//   - A file or directory inherits its project if it was created in a directory that has the flag.
//     If it is moved there, it is treated as if it was created there, unless its own project or
//     that of its old directory was ever set. There is no EXDEV.
//   - 2.17's --lqa is missing. The texts of some usage errors are guesses: `quota -t` without a
//     type, `setquota -t` without a time or with two types, `project -0` with -s or -C, `project
//     -k` without -C.
package main
