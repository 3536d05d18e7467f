package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Deps is what loading needs from outside. [OS] is the real one.
type Deps interface {
	// Open opens a file for reading and follows links. It never waits: the path may be a fifo.
	Open(path string) (File, error)
	Getenv(name string) (value string, found bool)
	// Environ lists the environment as NAME=VALUE.
	Environ() []string
	// Trusted refuses a path that anybody besides root and the caller could replace; see the function
	// [Trusted].
	Trusted(path string) error
	// TrustedProgram refuses a program that others could replace, and a script whose interpreter they
	// could.
	TrustedProgram(path string) error
	// UID and GID are the caller's ids.
	UID() uint32
	GID() uint32
	Now() time.Time
}

// File is an open file or folder.
type File interface {
	io.ReadCloser
	Info() (Info, error)
	// Names lists a folder, in any order.
	Names() ([]string, error)
}

// Info is what matters about an open file.
type Info struct {
	Owner uint32
	Mode  fs.FileMode
}

// OS returns the real operating system.
func OS() Deps { return osDeps{} }

type osDeps struct{}

func (osDeps) Open(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC,
		0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osDeps) Getenv(name string) (string, bool) { return os.LookupEnv(name) }
func (osDeps) Environ() []string                 { return os.Environ() }
func (osDeps) UID() uint32                       { return uint32(os.Geteuid()) }
func (osDeps) GID() uint32                       { return uint32(os.Getegid()) }
func (osDeps) Now() time.Time                    { return time.Now() }

type osFile struct{ *os.File }

func (f osFile) Info() (Info, error) {
	st, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return Info{}, errors.New("no owner known")
	}
	return Info{Owner: sys.Uid, Mode: st.Mode()}, nil
}

func (f osFile) Names() ([]string, error) { return f.Readdirnames(-1) }

// safe returns why a file must not be relied on; nil if it may be. Private files must not be
// readable by others.
func safe(path string, info Info, caller uint32, private bool) error {
	switch perm := info.Mode.Perm(); {
	case info.Owner != 0 && info.Owner != caller:
		return fmt.Errorf("%s belongs to user %d; it must belong to root or to the caller: chown "+
			"root %s", path, info.Owner, path)
	case perm&0o022 != 0:
		return fmt.Errorf("%s has mode %04o, so others can write to it; run: chmod go-w %s",
			path, perm, path)
	case private && perm&0o077 != 0:
		return fmt.Errorf("%s has mode %04o, so others can read the secret; run: chmod 600 %s",
			path, perm, path)
	}
	return nil
}

// readSafe reads a regular file of at most limit bytes after it has checked the file's owner and
// mode.
func readSafe(deps Deps, path string, limit int64, private bool) ([]byte, error) {
	if err := deps.Trusted(path); err != nil {
		return nil, err
	}
	f, err := deps.Open(path)
	if err != nil {
		return nil, plain(path, err)
	}
	defer f.Close()
	if err := checkOpen(deps, f, path, private); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plain(path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, nil
}

// checkOpen checks that an open file is a regular file and is protected.
func checkOpen(deps Deps, f File, path string, private bool) error {
	info, err := f.Info()
	if err != nil {
		return plain(path, err)
	}
	if !info.Mode.IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return safe(path, info, deps.UID(), private)
}

// plain names a path only once in an error, because errors of package os name it too.
func plain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not read %s", path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
