// Package lfssim is the library of lfs-sim, which takes the place of Lustre's `lfs` where there is
// no Lustre. For `quota`, `setquota` and `project` it has the arguments, output, exit codes and
// traps of the real program. The program's manual, with its deliberate differences, is in
// cmd/lfs-sim.
//
// A test prepares a state, runs a program that calls lfs, and checks the result:
//
//	state := filepath.Join(dir, "lfs.json")
//	err := lfssim.Init(state, lfssim.State{
//		Release: "2.15.8",
//		Mounts:  []lfssim.Mount{{Path: mount, FS: "capstor"}},
//		Now:     1800000000, // a clock that stands; without it, the real one
//		AsRoot:  true,       // where the test does not run as root
//	})
//	err = lfssim.SetUsage(state, "capstor", lfssim.Group, 30500, 10<<30, 1234)
//	err = lfssim.AddFault(state, lfssim.Fault{On: lfssim.OnSetquota, Errno: "ETIMEDOUT", Count: 1})
//	… run it: lfssim.Main, or a symlink dir/lfs to the program lfs-sim …
//	q, err := lfssim.ReadQuota(state, "capstor", lfssim.Group, 30500)
//	calls, err := lfssim.ReadLog(state)
//
// Any number of processes may use a state at the same time. Each call holds a kernel lock on it,
// except while it hangs because of a [Fault]. The type store says what is stored where. A call
// reads the settings and one or two files of an identity, so its cost does not grow with the number
// of identities.
//
// server.go is the simulated kernel: it has a method for each quotactl command, with the answers
// and errnos of a real kernel. quota.go, setquota.go, settimes.go and project.go do what lfs does
// with them. limits.go parses numbers and rows.go prints layouts. All of it is tested against the
// transcripts of real programs in testdata.
package lfssim
