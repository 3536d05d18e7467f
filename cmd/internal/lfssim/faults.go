package lfssim

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a fault affects: reading a quota (by lfs quota, and by lfs setquota before a partial set),
// setting a quota, and reading or setting a project id.
const (
	OnQuota    = "quota"
	OnSetquota = "setquota"
	OnProject  = "project"
)

// enotsupp is the kernel-internal ENOTSUPP, which old client modules return.
const enotsupp = syscall.Errno(524)

// Fault is a simulated problem: an error of the kernel, or a call that hangs.
type Fault struct {
	On      string  `json:"on"`                // OnQuota, OnSetquota or OnProject
	ID      *uint32 `json:"id,omitempty"`      // only for this identity; nil: for all
	Errno   string  `json:"errno,omitempty"`   // "EIO", "ENOTSUPP", a number; with it the call fails
	Hang    bool    `json:"hang,omitempty"`    // the call waits, then continues
	Seconds int     `json:"seconds,omitempty"` // how long it hangs; 0: an hour
	Count   int     `json:"count,omitempty"`   // strikes this often, then is gone; 0: always
}

func (f Fault) validate() error {
	switch f.On {
	case OnQuota, OnSetquota, OnProject:
	default:
		return fmt.Errorf("fault on %q: it must be %s, %s or %s", f.On, OnQuota, OnSetquota,
			OnProject)
	}
	if f.Hang == (f.Errno != "") {
		return fmt.Errorf("fault on %s: it must either hang or have an errno", f.On)
	}
	if f.Count < 0 || f.Seconds < 0 {
		return fmt.Errorf("fault on %s: count and seconds must not be negative", f.On)
	}
	if _, ok := errnoOf(f.Errno); !f.Hang && !ok {
		return fmt.Errorf("fault on %s: %q is not an errno; write EIO, ETIMEDOUT, … or a number",
			f.On, f.Errno)
	}
	return nil
}

// errnoOf finds an errno by its name or number.
func errnoOf(name string) (syscall.Errno, bool) {
	name = strings.ToUpper(name)
	switch name {
	case "ENOTSUPP":
		return enotsupp, true
	case "EOPNOTSUPP", "ENOTSUP":
		return syscall.EOPNOTSUPP, true
	}
	if n, err := strconv.Atoi(name); err == nil {
		return syscall.Errno(n), n > 0 && n < 4096
	}
	for n := syscall.Errno(1); n < 200; n++ {
		if unix.ErrnoName(n) == name {
			return n, true
		}
	}
	return 0, false
}

// fault returns the error that a call meets, or makes the call hang. Meanwhile the lock is free, so
// that other calls continue.
func (s *server) fault(on string, id uint32) (syscall.Errno, error) {
	for i, f := range s.store.settings.Faults {
		if f.On != on || f.ID != nil && *f.ID != id {
			continue
		}
		if err := s.strike(i); err != nil {
			return 0, err
		}
		if f.Hang {
			return 0, s.hang(f)
		}
		errno, _ := errnoOf(f.Errno)
		return errno, nil
	}
	return 0, nil
}

// strike counts one use of a fault, and removes the fault after its last one.
func (s *server) strike(i int) error {
	f := &s.store.settings.Faults[i]
	switch f.Count {
	case 0:
		return nil
	case 1:
		s.store.settings.Faults = append(s.store.settings.Faults[:i:i], s.store.settings.Faults[i+1:]...)
	default:
		f.Count--
	}
	return s.store.saveSettings()
}

func (s *server) hang(f Fault) error {
	d := time.Hour
	if f.Seconds > 0 {
		d = time.Duration(f.Seconds) * time.Second
	}
	s.store.close()
	s.sleep(d)
	if err := s.store.acquire(); err != nil {
		return err
	}
	settings, err := readState(s.store.path)
	s.store.settings = settings
	return err
}

// strerror returns the C library's text for an errno.
func strerror(e syscall.Errno) string {
	text := e.Error()
	if strings.HasPrefix(text, "errno ") {
		return fmt.Sprintf("Unknown error %d", int(e))
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
