package posix

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Errors that callers act on. Test for them with errors.Is.
var (
	// ErrExists means that something exists where a directory should be created or moved to.
	ErrExists = errors.New("something already exists there")
	// ErrAbsent means that nothing exists at the path.
	ErrAbsent = errors.New("nothing exists there")
	// ErrObstructed means that a link, a file, a fifo or another mount is in the way.
	ErrObstructed = errors.New("something is in the way")
	// ErrChanged means that the directory is not the one that was observed before.
	ErrChanged = errors.New("it is not the directory that was observed")
	// ErrNotMounted means that the system's filesystem is not mounted, or is not the recorded one.
	ErrNotMounted = errors.New("the system is not mounted as expected")
	// ErrElsewhere means that the path is on another mount than its system.
	ErrElsewhere = errors.New("it is on another mount than its system")
)

// refusal is an error of one kind with its own text: what was done to what, and why it was refused.
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
		unix.EPERM: "run cscs-sync as root on a mount without root squash, and check that `lsattr -d` " +
			"shows no i or a there",
		unix.EACCES: "run cscs-sync as root, on a mount without root squash",
		unix.EROFS:  "the filesystem is mounted read-only",
		unix.EDQUOT: "the quota of the owner, or of the project that the directory inherits, is " +
			"used up",
		unix.ENOSPC:    "the filesystem is full",
		unix.ENOSYS:    "the kernel is too old: cscs-sync needs Linux 5.8 or newer",
		unix.EIO:       "the filesystem does not work properly: read the kernel's log",
		unix.ESTALE:    "the server no longer knows the directory: try again, then remount",
		unix.ESHUTDOWN: "the file servers evicted this node: try again when it has reconnected",
		unix.ENOTCONN:  "this node has lost the file servers: try again when it has reconnected",
		unix.ETIMEDOUT: "the file servers do not answer: try again later",
	}[err]
	if !ok {
		return err
	}
	return fmt.Errorf("%w (%s)", err, way)
}
