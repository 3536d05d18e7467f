// Lfs-sim stands in for Lustre's `lfs` where there is no Lustre: in the demo, in tests, on a laptop. It takes the
// arguments of `lfs quota`, `lfs setquota`, `lfs project` and `lfs --version` and answers with the output, exit codes and
// traps of the real program, release 2.15.8 or 2.17.57. Limits are kept in files; nothing enforces them.
//
// # Setting it up
//
// The directories are real ones, the quotas pretended. lfs-sim finds its state by the path it is called by, with ".json"
// behind it and no symlink followed, because cscs-sync starts lfs with an empty environment; LFS_SIM_STATE, if set, goes
// first.
//
//	mkdir -p demo/mnt/capstor
//	ln -s "$(command -v lfs-sim)" demo/lfs
//	demo/lfs sim init --state demo/lfs.json --release 2.15.8 --mount demo/mnt/capstor=capstor
//	demo/lfs setquota -g 30500 -b 1T -B 2T -i 0 -I 1M demo/mnt/capstor
//	demo/lfs sim usage -g 30500 --space 1.5T --inodes 12000 demo/mnt/capstor
//	demo/lfs quota -g 30500 demo/mnt/capstor
//
// # Making trouble
//
// The word `sim`, which the real lfs does not have, begins what is for the simulation. Each takes --state FILE; without it,
// the state is found as above. Exit codes: 0, 1 for an error, 2 for a usage error.
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
// A fault on `quota` strikes every reading of a quota, also the one that `setquota` makes when only one limit of a pair is
// given; one on `setquota` strikes the setting; one on `project` strikes each inode that is listed, checked or changed. The
// first fault that fits strikes; with --count N it is gone after N strikes. A call that hangs waits --seconds, or an hour,
// and then goes on; others are not held up. With an OST lost, its part is missing from the usage, which stands in brackets,
// and `quota` exits with 5.
//
// With --as-root every caller may do what only root may. Names of users, groups and projects come from the state and not
// from the machine. The log holds the arguments of every call: what was asked for, whatever became of it.
//
// Exit code 125 and a message that begins with "lfs-sim:" mean that the simulation itself failed: no state, one that does
// not parse, a full disk.
//
// # Files
//
// The state FILE is JSON and may be written by hand: release, mounts, filesystems, names, now, as_root, faults. What calls
// change is in FILE.d beside it: limits, grace times and usage one small file an identity, project ids one an inode, the log.
// Who may call must be able to write there. All changes are made under a kernel lock.
//
// # Played otherwise
//
// The transcripts of real programs are played and compared by the tests, byte for byte, except in these steps:
//
//   - list children: the order of a directory's entries is that of their names, not the file system's
//   - list recursively: as above
//   - children after non-recursive set: as above
//   - list after recursive set: as above
//   - list after clear: as above
//
// Not in the transcripts, and known to differ:
//
//   - Only the three commands and --version are there; any other command is refused with the words of 2.17.
//   - Usage is what `sim usage` says, at once. Directories are not measured, and project ids do not move usage.
//   - Space lies in turn on the OSTs, 1 MiB on each; all inodes are on MDT0000. The grants in `quota -v` are made up so.
//   - `setquota -r` changes nothing and takes no time.
//   - Id 0 reads as unlimited, whatever the default quota is.
//   - A directory on no mount of the state is taken for an ext4 without project quota.
//   - A file or directory inherits its project when it was made in a directory that has the flag; one that is moved in is
//     taken for one that was made there, unless its project was ever set or its old directory's was. Nothing gives EXDEV.
//   - 2.17's --lqa is missing. The texts of some usage errors were never seen and are guessed: `quota -t` without a type,
//     `setquota -t` without a time or with two types, `project -0` with -s or -C, `project -k` without -C.
package main
