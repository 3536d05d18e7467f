// Demo shows how a change gets from a listing to a finished order. It runs on this machine only,
// without root, Lustre or network. It starts waldur-sim, uses lfs-sim in place of lfs, creates a
// site in the folder demo, and then does what an admin would do with the real cscs-sync: plan,
// approve, apply, plan again. The folder remains, so that you can try things out.
//
//	demo [-dir demo] [-bin bin]
//
// Without root, every group is the caller's own, so all resources share one quota. The demo's
// configuration then has shared = "sum". With root, each project has its own group.
package main
