// Package planfile writes plans as files that are reviewed, approved and applied, and reads them
// back strictly. It is pure: no I/O, no clock, no environment, no terminal. The same plan gives the
// same bytes everywhere. Package render makes the readable part, and package canonical the JSON of
// the machine's part.
//
// A plan file is UTF-8 text in three parts:
//
//	cscs-sync plan v1
//
//	Plan 9f2c41aa07be for capstor            what a reviewer reads, coloured or not
//	…
//	Plan: 1 to create.
//
//	-----BEGIN CSCS-SYNC PLAN-----           the machine's part: gzip of canonical JSON
//	…
//	-----END CSCS-SYNC PLAN-----
//	-----BEGIN CSCS-SYNC APPROVAL-----       approvals, any number
//	…
//
// What was reviewed is what runs. [Parse] accepts a file only if its readable part is, byte for
// byte, the coloured or the plain rendering of its machine's part, and if the JSON of that part is,
// byte for byte, what [Marshal] would write for the plan. The compressor decides how the JSON is
// compressed; it only matters that nothing else is in it. Before comparing, Parse turns CRLF into
// LF, removes blanks at line ends and adds a missing last line end, because mail and ticket systems
// change these. [File.Bytes] returns the file in that normal form, so a file that Marshal wrote
// comes back byte for byte. Approvals are opaque here; package approval judges them.
//
// The plan's id ([canonical.ID]) is the SHA-256 of its core, and [canonical.ContextDigest] is that
// of the JSON of the whole machine's part. A change to the rendering, to a plan's members or to
// what counts as printable needs a new [canonical.Renderer] version. Files of another version are
// parsed for showing ([File.Foreign]) as far as this version knows their members, and [File.Check]
// refuses them for anything else. The error for such a file is a [ForeignError], never one about a
// damaged file.
package planfile
