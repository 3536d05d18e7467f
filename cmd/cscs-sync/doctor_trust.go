package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/waldur/cscs-storage-sync/planner"
)

// trust looks at what root runs or believes: whoever may write there can have anything done.
func (d *doctor) trust() {
	path, err := d.configuration()
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		d.say("FAIL", "trust", "%v", err)
		return
	}
	paths := []string{path, d.store.Dir()}
	for _, sys := range d.cfg.Settings.Systems {
		if sys.Quota.Kind == planner.QuotaLustre && sys.Quota.Client != "ioctl" {
			paths = append(paths, sys.Quota.LFS)
		}
	}
	if to := d.cfg.Run.Notify; to != nil && len(to.Exec) > 0 {
		paths = append(paths, to.Exec[0])
	}
	if signers := d.cfg.Approval.AllowedSigners; signers != "" {
		paths = append(paths, signers)
	}
	seen := map[string]bool{}
	for _, p := range paths {
		if err := writableByOthers(p, uint32(d.uid), 0); err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			d.say("FAIL", "trust", "%v", err)
		}
	}
}

// mostLinks is how many links a path may lead through.
const mostLinks = 40

// writableByOthers says who besides root and uid could replace a file: the file, each folder above it and each link on the way
// have to belong to root or uid, and be writable by nobody else. In a sticky folder, such as /tmp, nobody can replace what
// belongs to another. What does not exist yet is judged by the folders above it.
func writableByOthers(path string, uid uint32, links int) error {
	if links > mostLinks {
		return fmt.Errorf("%s leads through more than %d links", path, mostLinks)
	}
	if above := filepath.Dir(path); above != path {
		if err := writableByOthers(above, uid, links); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && owner != uid {
		return fmt.Errorf("%s belongs to user %d, who could have anything done as the user of cscs-sync: chown root %[1]s", path, owner)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		return writableByOthers(filepath.Clean(to), uid, links+1)
	}
	if info.Mode().Perm()&0o022 != 0 && !(info.IsDir() && info.Mode()&fs.ModeSticky != 0) {
		return fmt.Errorf("%s can be written by others (%s), who could have anything done as the user of cscs-sync: chmod go-w %[1]s",
			path, info.Mode())
	}
	return nil
}
