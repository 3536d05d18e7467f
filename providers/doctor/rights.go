package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// capability is a Linux capability: its bit and its name.
type capability struct {
	bit  int
	name string
}

// rights checks whether the process has the capabilities that apply needs. status is the file in
// /proc that lists them.
func (e *examination) rights(status string) {
	text, err := os.ReadFile(status)
	if err != nil {
		e.warn("rights", "cannot read this process's capabilities: %v", err)
		return
	}
	var effective uint64
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			_, _ = fmt.Sscanf(strings.TrimSpace(value), "%x", &effective)
		}
	}
	var missing []string
	for _, c := range neededCapabilities(e.in.Config.Settings.Systems) {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		e.warn("rights", "this user lacks %s: plan works, but apply fails where it needs them; run "+
			"apply as root", strings.Join(missing, ", "))
		return
	}
	e.pass("rights", "may change owners, modes and quotas")
}

// neededCapabilities returns the capabilities that an apply to the systems needs.
func neededCapabilities(systems []planner.System) []capability {
	all := []capability{{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
		{unix.CAP_FOWNER, "CAP_FOWNER"}, {unix.CAP_FSETID, "CAP_FSETID"}}
	limited := func(s planner.System) bool { return s.Quota.By == planner.ByGroup || byProject(s) }
	if slices.ContainsFunc(systems, limited) {
		all = append(all, capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN (to set quotas)"})
	}
	onLustre := func(s planner.System) bool { return byProject(s) && s.Filesystem == "lustre" }
	if slices.ContainsFunc(systems, onLustre) {
		all = append(all, capability{unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE (to set project ids, " +
			"unless the servers' enable_chprojid_gid allows it)"})
	}
	return all
}

// kernel checks whether the kernel has openat2, which keeps apply from following symbolic links.
func (e *examination) kernel() {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/",
		&unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
	if err == nil {
		unix.Close(fd)
	} else {
		err = fmt.Errorf("openat2: %w: use Linux 5.6 or newer", err)
	}
	e.passOrFail("kernel", err, "has openat2")
}
