// Demo shows the way of a change from a listing to a finished order, on this machine alone: without root, Lustre or
// network. It starts waldur-sim, puts lfs-sim in the place of lfs, makes a site in the folder demo, and then does what an
// admin would do, with the real cscs-sync: plan, approve, apply, plan again. The folder stays, to play in.
//
//	demo [-dir demo] [-bin bin]
//
// Without root every group is the caller's own, so all resources share one quota identity; the demo's configuration then
// says shared = "sum". With root each project has a group of its own.
package main
