package posix

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What callers decide on. Test with errors.Is.
var (
	// ErrExists: something stands where a directory should be made or moved to.
	ErrExists = errors.New("something is there already")
	// ErrAbsent: there is nothing at the path.
	ErrAbsent = errors.New("there is nothing")
	// ErrObstructed: a link, a file, a fifo or another mount is in the way.
	ErrObstructed = errors.New("something is in the way")
	// ErrChanged: another directory stands there than the one that was looked at.
	ErrChanged = errors.New("it is not the directory that was looked at")
	// ErrNotMounted: the system's filesystem is not there, or not the one that was recorded.
	ErrNotMounted = errors.New("the system is not mounted as expected")
	// ErrElsewhere: the path lies on another mount than its system.
	ErrElsewhere = errors.New("it lies on another mount than its system")
)

// refusal is an error of one kind with its own words: what was done to what, and why it was refused.
type refusal struct {
	text string
	kind error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.kind }

func refuse(kind error, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), kind}
}

// explain adds to an errno what a person can do about it.
func explain(err error) error {
	way, ok := map[error]string{
		unix.EPERM: "the server may squash root, the node may lack the right, or `lsattr -d` shows an i or a there: " +
			"cscs-sync needs root without squash",
		unix.EACCES:    "cscs-sync needs to run as root, on a mount without root squash",
		unix.EROFS:     "the filesystem is mounted read-only",
		unix.EDQUOT:    "the quota of the owner or of the project that the parent hands on is used up",
		unix.ENOSPC:    "the filesystem is full",
		unix.ENOSYS:    "the kernel is too old: openat2 needs Linux 5.6, the mount id 5.8",
		unix.EIO:       "the filesystem does not work properly: see the kernel's log",
		unix.ESTALE:    "the server no longer knows the directory: try again, then remount",
		unix.ESHUTDOWN: "this node was evicted by the file servers: try again when it has reconnected",
		unix.ENOTCONN:  "this node has lost the file servers: try again when it has reconnected",
		unix.ETIMEDOUT: "the file servers do not answer: try again later",
	}[err]
	if !ok {
		return err
	}
	return fmt.Errorf("%w (%s)", err, way)
}
