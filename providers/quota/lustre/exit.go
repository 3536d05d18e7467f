package lustre

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Exit codes of lfs are errnos modulo 256, except for these.
const (
	exitEIO     = 5
	exitUsage   = 4  // also EINTR
	exitENOTSUP = 12 // 524 mod 256: client modules up to 2.15 do not know the command
)

// explainExit says what a failed run of lfs means. Releases up to 2.14 print nothing when setquota
// fails, so the exit code must be enough.
func explainExit(what string, exit int, stdout, stderr string) string {
	said := firstLine(stderr)
	if said == "" && exit == exitUsage {
		said = firstLine(stdout)
	}
	if said != "" {
		said = fmt.Sprintf(" (%q)", said)
	}
	switch exit {
	case exitUsage:
		return fmt.Sprintf("%s: exit 4: lfs does not understand its arguments: check that this is the "+
			"lfs of Lustre 2.12 or later%s", what, said)
	case exitENOTSUP:
		return fmt.Sprintf("%s: exit 12: the Lustre client modules do not know this command, or are "+
			"out of memory%s", what, said)
	}
	return fmt.Sprintf("%s: exit %d: %s%s", what, exit, hint(unix.Errno(exit)), said)
}

// hint says what an errno of a quota call means and what to do.
func hint(errno unix.Errno) string {
	way, ok := map[unix.Errno]string{
		unix.EPERM:  "not permitted: run cscs-sync as root, without a nodemap that squashes root",
		unix.EACCES: "not permitted: run cscs-sync as root, without a nodemap that squashes root",
		unix.ENOENT: "the directory, or the quota's record, does not exist: check that the filesystem " +
			"is mounted",
		unix.ESRCH:   "quotas of this kind are not enabled on the servers: enable them there",
		unix.EIO:     "servers failed: read the kernel's log, and run lfs check servers",
		unix.ENODEV:  "the directory is not on a mounted Lustre filesystem",
		unix.ENOTDIR: "it is not a directory",
		unix.ENOTTY: "the directory is not on a Lustre filesystem: correct the directory, or try " +
			"client = \"lfs\"",
		unix.EINVAL: "Lustre finds the limits invalid, such as soft above hard: read the quota again, " +
			"because somebody may have changed it in the meantime",
		unix.EROFS:   "the filesystem is mounted read-only: mount it read-write",
		unix.ENOSPC:  "the quota master has no space left",
		unix.ENODATA: "the quota master has no such record",
		unix.EOPNOTSUPP: "quotas of this kind are not supported there: project quotas need the project " +
			"feature on every target",
		524: "the Lustre client modules do not know this command: use client = \"lfs\"",
		unix.EDQUOT: "another quota, which includes this one, does not allow it: raise that limit " +
			"first",
		unix.ENETDOWN:    "the network to the servers is down: try again when it is up",
		unix.ENOTCONN:    "the servers are not connected: try again when they are",
		unix.ESHUTDOWN:   "the servers evicted this node: try again when it has reconnected",
		unix.ETIMEDOUT:   "the servers did not answer in time: try again later",
		unix.EINPROGRESS: "the servers are recovering: try again later",
		unix.EREMOTEIO:   "a server failed: try again later",
	}[errno]
	if !ok {
		return errno.Error()
	}
	return errno.Error() + ": " + way
}

// firstLine returns the first line of a program's output, shortened.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return line
}
