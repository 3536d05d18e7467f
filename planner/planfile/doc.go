// Package planfile writes plans down as the file that is reviewed, approved and applied, and reads
// it back strictly. It is pure: no I/O, no clock, no environment, no terminal; the same plan gives
// the same bytes everywhere. Package render makes the readable part, package canonical the JSON of
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
// What was reviewed is what runs: [Parse] takes a file only if its readable part is, byte for byte,
// the coloured or the plain rendering of its machine's part, and if the JSON of that part is byte
// for byte what [Marshal] would write for the plan in it. How the JSON is compressed is the
// compressor's: only that nothing else is in it counts. Before comparing, CRLF becomes LF, blanks
// at line ends are cut and a missing last line end is added, since mail and ticket systems do such
// things; [File.Bytes] is the file in that normal form, so a file that Marshal wrote comes back
// byte for byte. Approvals are opaque here; package approval judges them.
//
// The plan's id ([canonical.ID]) is the SHA-256 of its core, and [canonical.ContextDigest] that of
// the JSON of the whole machine's part. A change to the rendering, to a plan's members or to what
// counts as printable needs a new [canonical.Renderer] version: files of another one are parsed for
// showing ([File.Foreign]) as far as this version knows their members, and [File.Check] refuses
// them for anything else. Such a file is a [ForeignError], never a damaged one.
package planfile
