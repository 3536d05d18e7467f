package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
)

// mostLinks is how many links a path may lead through.
const mostLinks = 40

// Trusted refuses a path, by an error with the way out, that somebody besides root and uid could replace: the file, each folder
// above it and each link on the way have to belong to root or uid, and be writable by nobody else. In a sticky folder, such as
// /tmp, nobody can replace what belongs to another. What does not exist yet is judged by the folders above it.
func Trusted(path string, uid uint32) error { return trusted(path, uid, 0) }

func trusted(path string, uid uint32, links int) error {
	if links > mostLinks {
		return fmt.Errorf("%s leads through more than %d links", path, mostLinks)
	}
	if above := filepath.Dir(path); above != path {
		if err := trusted(above, uid, links); err != nil {
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
		return trusted(filepath.Clean(to), uid, links+1)
	}
	if info.Mode().Perm()&0o022 != 0 && !(info.IsDir() && info.Mode()&fs.ModeSticky != 0) {
		return fmt.Errorf("%s can be written by others (%s), who could have anything done as the user of cscs-sync: chmod go-w %[1]s",
			path, info.Mode())
	}
	return nil
}

// Trusted implements [Deps]. Only what root runs or believes has to be so: a caller who is not root can harm nobody else.
func (osDeps) Trusted(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return Trusted(path, 0)
}

// Programs are the programs that the configuration has cscs-sync run.
func (c *Config) Programs() []string {
	var programs []string
	for _, system := range c.Settings.Systems {
		if system.Quota.Kind == planner.QuotaLustre && system.Quota.Client != "ioctl" {
			programs = append(programs, system.Quota.LFS)
		}
	}
	if to := c.Run.Notify; to != nil && len(to.Exec) > 0 {
		programs = append(programs, to.Exec[0])
	}
	slices.Sort(programs)
	return slices.Compact(programs)
}

// trustPrograms refuses programs that others could replace.
func (d *decoder) trustPrograms() {
	for _, program := range d.config.Programs() {
		if err := d.deps.Trusted(program); err != nil {
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "A program that others may replace",
				Detail: "cscs-sync would run it as root: " + err.Error() + "."})
		}
	}
}
