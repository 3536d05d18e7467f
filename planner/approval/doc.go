// Package approval makes approvals of plans, reads them, and judges whether those that a plan has
// are enough.
//
// An approver signs a [Message]: seven lines of text that name the plan, the digest of everything
// in its file, the approver, the time, and what they have to say. The text can be read before it is
// signed:
//
//	cscs-sync approval v1
//	plan sha256:…
//	context sha256:…
//	name anna@example.com
//	time 2026-11-22T21:40:03Z
//	ticket CHG-4711
//	comment as discussed on Tuesday
//
// A ticket or comment that was not given leaves the bare word, so every message has one form only.
// Control, bidirectional and invisible characters are refused when signing and when reading.
//
// # Kinds
//
// An approval of kind ssh carries an SSHSIG, as the stock ssh-keygen -Y sign makes and -Y verify
// checks it, in the namespace [Namespace]: see [FileSigner], [AgentSigner], [SignSSH] and
// [FromSSHSIG]. Who may sign is in [Signers], read from ssh-keygen's allowed_signers format. One of
// kind local carries a MAC under a key that only the applying node's root can read; it says
// "somebody who could become root there, logged in as". One of kind policy carries the same MAC and
// names the policy by its digest.
//
// An [Approval] travels as a PEM block ([Approval.Block], [Parse]), inside the plan file or alone
// ([Detached]). Blocks are canonical: what Parse accepts, Block gives back byte for byte.
//
// # Judging
//
// [Judge] decides over all blocks at once. A block that does not parse, is for another plan or does
// not verify is somebody's tampering or accident, and refuses the file ([BlockError]). An approval
// that is genuine but does not help (out of date, by the same person again, by somebody not listed)
// is not counted, and the [Verdict] says why.
//
// Different people differ by name and by key: two names on one key are one person, and so are two
// keys of one name.
//
// # Stricter than ssh-keygen
//
// Where ssh-keygen is lenient this package is not: RSA keys below 2048 bits, DSA keys, and
// signatures by a security token that nobody touched are refused; so is a certificate with critical
// options, and one that allowed_signers lists itself in place of its authority. Whatever passes
// here passes there.
//
// The package is pure: no files, no clock. Keys, signatures and lists come in as bytes, times as
// parameters.
package approval
