// Package vast reads and sets the directory quotas of a VAST system, by its management API.
//
// A listing is complete, or an error. A change is done only once it was read back: [Client.Set]
// returns the task that the system still works on, and [Client.Finish] asks for it. A quota that
// stands on the path already is adopted, never doubled: Set looks first, and looks again when the
// answer to a creation was lost.
//
// No limit is null. What the API shows as 0, or does not show, is unknown.
package vast
