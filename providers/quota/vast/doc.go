// Package vast reads and sets the directory quotas of a VAST system with its management API.
//
// A listing is complete, or it is an error. A change is done only after it was read back:
// [Client.Set] returns the task on which the system still works, and [Client.Finish] asks for it.
// If a path already has a quota, Set changes that quota and never makes a second one. To be sure,
// Set looks for it first, and looks again if the answer to a creation was lost.
//
// No limit is null. A limit that the API shows as 0, or does not show, is unknown.
package vast
