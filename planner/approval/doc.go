// Package approval makes approvals of plans, reads them, and judges whether those that a plan has
// are enough.
//
// An approver signs a [Message]: seven lines of text that name the plan, the digest of everything
// in its file, the approver and the time, with a ticket and a comment. The text can be read before
// it is signed:
//
//	cscs-sync approval v1
//	plan sha256:…
//	context sha256:…
//	name anna@example.com
//	time 2026-11-22T21:40:03Z
//	ticket CHG-4711
//	comment as discussed on Tuesday
//
// A ticket or comment that was not given leaves the bare word, so every message has exactly one
// form. Control, bidirectional and invisible characters are refused when signing and when reading.
//
// # Kinds
//
// An approval of kind ssh has an SSHSIG in the namespace [Namespace], as ssh-keygen -Y sign makes
// it and -Y verify checks it: see [FileSigner], [AgentSigner], [SSH] and [FromSSHSIG]. [Signers],
// read from ssh-keygen's allowed_signers format, says who may sign. An approval of kind local has a
// MAC made with a key that only root on the applying node can read. It means "somebody who could
// become root there, logged in as". An approval of kind policy has the same MAC and names the
// policy by its digest.
//
// An [Approval] is passed on as a PEM block ([Approval.Block], [Parse]), inside the plan file or in
// a file of its own ([Detached]). Blocks are canonical: Block returns what Parse accepts, byte for
// byte.
//
// # Judging
//
// [Judge] decides about all blocks at once. A block that does not parse, is for another plan, or
// does not verify means that somebody tampered with the file or damaged it, so Judge refuses the
// file ([BlockError]). A genuine approval that does not help (it is out of date, by the same person
// again, or by somebody who is not listed) is not counted, and the [Verdict] says why.
//
// Different people differ by name and by key: two names with one key are one person, and so are two
// keys with one name.
//
// # Stricter than ssh-keygen
//
// This package refuses some things that ssh-keygen accepts: RSA keys below 2048 bits, DSA keys,
// signatures by a security token that nobody touched, certificates with critical options, and a
// certificate that allowed_signers lists itself instead of its authority. ssh-keygen accepts
// everything that this package accepts.
//
// The package is pure: no files and no clock. Keys, signatures and lists come in as bytes, and
// times as parameters.
package approval
