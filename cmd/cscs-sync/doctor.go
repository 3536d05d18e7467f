package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look for what would go wrong, before it does",
		Args:  arguments(0, 0),
		Long: `Checks the configuration, rights, the storage, lfs, the proxy, Waldur, the clock
and the state. Changes nothing. What a client of Lustre cannot see (whether
quotas are enforced) it can only name.

Exit codes: 0 nothing is wrong, perhaps with warnings; 1 something is.`,
	}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print the findings as a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), *asJSON) }
	return cmd
}

// finding is one line of the doctor's.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // PASS, WARN or FAIL
	Text    string `json:"text"`
}

// doctor collects findings.
type doctor struct {
	*session
	findings []finding
}

func (d *doctor) say(verdict, check, format string, args ...any) {
	d.findings = append(d.findings, finding{check, verdict, fmt.Sprintf(format, args...)})
}

// judge says PASS with a text, or FAIL with the error.
func (d *doctor) judge(check string, err error, format string, args ...any) {
	if err != nil {
		d.say("FAIL", check, "%v", err)
		return
	}
	d.say("PASS", check, format, args...)
}

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	d := &doctor{session: s}
	path, _ := a.configuration()
	d.say("PASS", "configuration", "%s: %s, %s", path, planner.Count(len(s.cfg.Settings.Systems), "system"), planner.Count(len(s.cfg.Overrides), "override"))
	d.trust()
	d.rights()
	d.kernel()
	d.systems(ctx)
	d.enforced()
	d.lfs(ctx)
	d.quotaClients(ctx)
	d.proxy(ctx)
	d.waldur(ctx)
	d.approvals()
	d.notify()
	d.state()
	d.shared(ctx)
	d.markers(ctx)
	d.leftOver()
	return d.show(asJSON)
}

// capability is a right of a process, and its name.
type capability struct {
	bit  int
	name string
}

// rights looks at what this process may do: what apply needs.
func (d *doctor) rights() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		d.say("WARN", "rights", "could not be looked at: %v", err)
		return
	}
	var effective uint64
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			_, _ = fmt.Sscanf(strings.TrimSpace(value), "%x", &effective)
		}
	}
	needed := []capability{{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_FOWNER, "CAP_FOWNER"},
		{unix.CAP_FSETID, "CAP_FSETID"}}
	if slices.ContainsFunc(d.cfg.Settings.Systems, func(s planner.System) bool { return s.Quota.By == planner.ByGroup || byProject(s) }) {
		needed = append(needed, capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN (to set quotas)"})
	}
	if slices.ContainsFunc(d.cfg.Settings.Systems, func(s planner.System) bool { return byProject(s) && s.Filesystem == "lustre" }) {
		needed = append(needed, capability{unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE (to set project ids, unless the servers' " +
			"enable_chprojid_gid allows it)"})
	}
	var missing []string
	for _, c := range needed {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		d.say("WARN", "rights", "this user lacks %s: plan works, and apply fails where it needs that; run it as root", strings.Join(missing, ", "))
		return
	}
	d.say("PASS", "rights", "may give directories away, set modes and quotas")
}

func (d *doctor) kernel() {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err == nil {
		unix.Close(fd)
	} else {
		err = fmt.Errorf("openat2: %w: Linux 5.6 or newer is needed", err)
	}
	d.judge("kernel", err, "has openat2")
}

// systems looks at each system's mount and archive.
func (d *doctor) systems(ctx context.Context) {
	o, done, err := d.site().Observer(ctx, 0)
	if err != nil {
		d.say("FAIL", "storage", "%v", err)
		return
	}
	defer done()
	recorded, _ := d.store.Recorded() // an error is told of by the check of the state
	mounts := o.Mounts(ctx, d.cfg.Settings.Systems)
	for _, sys := range d.cfg.Settings.Systems {
		m := mounts[sys.Name]
		root, known := recorded.Roots[sys.Name]
		path := filepath.Join(d.cfg.Storage.Root, sys.Directory)
		switch {
		case m.Problem+m.Unknown != "":
			d.say("FAIL", "system "+sys.Name, "%s", m.Problem+m.Unknown)
			continue
		case known && root != (planner.RootIdentity{Filesystem: m.Filesystem, Inode: m.Inode}):
			d.say("FAIL", "system "+sys.Name, "%s is %s, inode %d; the first apply saw %s, inode %d: another filesystem is in its place. If that "+
				"is right: cscs-sync state rm --root %s",
				path, m.Filesystem, m.Inode, root.Filesystem, root.Inode, sys.Name)
		case errors.Is(unix.Access(path, unix.W_OK), unix.EROFS):
			d.say("FAIL", "system "+sys.Name, "%s is mounted read-only: no apply will work", path)
		default:
			d.say("PASS", "system "+sys.Name, "%s: %s, inode %d", path, m.Filesystem, m.Inode)
		}
		d.archive(sys, path)
		d.projects(sys)
	}
	d.directories(ctx, o, recorded)
}

// archive looks at a system's archive folder: closed to others, and on the filesystem from which it takes directories.
func (d *doctor) archive(sys planner.System, system string) {
	check, path := "archive "+sys.Name, filepath.Join(d.cfg.Storage.Root, sys.Archive)
	info, err := os.Lstat(path)
	if err == nil && (!info.IsDir() || info.Mode().Perm()&0o077 != 0) {
		d.say("FAIL", check, "%s has mode %s; it must be a directory of root's with mode 0700: chmod 700 %s", path, info.Mode(), path)
		return
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		d.say("WARN", check, "%v", err)
		return
	}
	at := path // or what stands above it, where it will be made
	for errors.Is(err, fs.ErrNotExist) && at != "/" {
		at = filepath.Dir(at)
		_, err = os.Lstat(at)
	}
	var here, there unix.Stat_t
	if err := errors.Join(unix.Stat(system, &here), unix.Stat(at, &there)); err != nil {
		d.say("WARN", check, "%v", err)
		return
	}
	switch {
	case here.Dev != there.Dev:
		d.say("FAIL", check, "%s is on another filesystem than %s: directories are moved there, never copied; choose a folder on the same one",
			path, system)
	case missing:
		d.say("PASS", check, "%s will be made when it is needed, on the same filesystem", path)
	default:
		d.say("PASS", check, "%s is closed to others, on the same filesystem", path)
	}
}

// enforced names what no client can see.
func (d *doctor) enforced() {
	var lustre []string
	for _, sys := range d.cfg.Settings.Systems {
		if sys.Quota.By != "" && sys.Filesystem == "lustre" {
			lustre = append(lustre, sys.Name)
		}
	}
	if len(lustre) > 0 {
		d.say("WARN", "enforcement", "whether the quotas of %s are enforced cannot be seen from a client: on the servers, look at "+
			"osd-*.*.quota_slave.info", strings.Join(lustre, ", "))
	}
}

// show prints the findings, the worst counted at the end.
func (d *doctor) show(asJSON bool) error {
	counts := map[string]int{}
	var b strings.Builder
	for _, f := range d.findings {
		counts[f.Verdict]++
		paint := map[string][]color.Attribute{"PASS": d.palette.Green(), "WARN": d.palette.Yellow(), "FAIL": d.palette.Red()}[f.Verdict]
		lines := render.Wrap(f.Text, d.width-checkWidth)
		fmt.Fprintf(&b, "%s  %-*s%s\n", d.paint(d.stdout, f.Verdict, paint...), checkWidth-6, f.Check+" ", lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "%*s%s\n", checkWidth, "", line)
		}
	}
	fmt.Fprintf(&b, "\n%d passed, %s, %s.\n", counts["PASS"], planner.Count(counts["WARN"], "warning"), planner.Count(counts["FAIL"], "failure"))
	err := error(nil)
	if asJSON {
		err = d.printJSON(d.findings)
	} else {
		err = d.print(b.String())
	}
	if err == nil && counts["FAIL"] > 0 {
		return ended(exitError)
	}
	return err
}

// checkWidth is where the text of a finding begins.
const checkWidth = 24
