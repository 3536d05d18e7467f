package lfssim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// locate finds the mount of a path. Like lfs, it complains if there is none or if the path is not a
// directory.
func (p *program) locate(command, path string) (Mount, syscall.Errno) {
	real, err := filepath.EvalSymlinks(p.inside(path))
	missing := errors.Is(err, fs.ErrNotExist)
	if missing {
		real, err = filepath.EvalSymlinks(filepath.Dir(p.inside(path)))
	}
	if err != nil {
		errno := errnoIn(err)
		p.complain("lfs %s: cannot resolve path '%s': %s (%d)\n", command, path, strerror(errno),
			int(errno))
		return Mount{}, errno
	}
	m, ok := p.mountOf(real)
	if !ok {
		p.complain("lfs %s: '%s' dev not on a mounted Lustre filesystem\n", command,
			p.deviceOf(real))
		return Mount{}, syscall.ENODEV
	}
	if missing {
		return m, p.cannotOpen(command, path, syscall.ENOENT)
	}
	if info, err := os.Stat(real); err == nil && !info.IsDir() {
		return m, p.cannotOpen(command, path, syscall.ENOTDIR)
	}
	return m, 0
}

func (p *program) cannotOpen(command, path string, errno syscall.Errno) syscall.Errno {
	p.complain("lfs %s: cannot open '%s': %s (%d)\n", command, path, strerror(errno), int(errno))
	return errno
}

func errnoIn(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	}
	return syscall.EIO
}

// mountOf finds the innermost mount of a path without symlinks.
func (p *program) mountOf(real string) (Mount, bool) {
	var best Mount
	longest := -1
	for _, m := range p.srv.store.settings.Mounts {
		top, err := filepath.EvalSymlinks(filepath.Join(p.root, m.Path))
		if err == nil && within(real, top) && len(top) > longest {
			best, longest = m, len(top)
		}
	}
	return best, longest >= 0
}

func within(path, top string) bool {
	return path == top || strings.HasPrefix(path, strings.TrimSuffix(top, "/")+"/")
}

// deviceOf returns the numbers by which lfs names a device that is not Lustre's.
func (p *program) deviceOf(path string) string {
	if p.device != "" {
		return p.device
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "0/0"
	}
	return fmt.Sprintf("%d/%d", unix.Major(st.Dev), unix.Minor(st.Dev))
}
