// Package lfssim is the library behind lfs-sim, which stands in for Lustre's `lfs` where there is
// no Lustre: for `quota`, `setquota` and `project` it has the arguments, output, exit codes and
// traps of the real program. The manual of the program, and what it deliberately does otherwise, is
// in cmd/lfs-sim.
//
// A test prepares a state, runs whatever calls lfs, and looks at what came of it:
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
// Any number of processes may use a state at once: each call holds a kernel lock on it, except
// while it hangs by a [Fault]. What is kept where says the type store. A call reads the settings
// and one or two files of an identity, so its cost does not grow with their number.
//
// The pretended kernel is server.go: a method for each quotactl command, answers and errnos as a
// kernel gives them. What lfs itself makes of them is in quota.go, setquota.go, settimes.go and
// project.go, its numbers in limits.go, its layouts in rows.go. The transcripts of real programs in
// testdata are the measure of all of it.
package lfssim
