package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/providers"
)

func doctorCommand() command {
	return command{name: "doctor", short: "look for what would go wrong, before it does",
		long: `
Checks the configuration, rights, the storage, lfs, the proxy, Waldur, the clock
and the state. Changes nothing. What a client of Lustre cannot see (whether
quotas are enforced) it can only name.

Exit codes: 0 nothing is wrong, perhaps with warnings; 1 something is.`,
		setup: func(f *pflag.FlagSet) action {
			asJSON := f.Bool("json", false, "print the findings as a JSON array")
			return func(ctx context.Context, a *app, _ []string) error { return a.doctor(ctx, *asJSON) }
		}}
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
	d.say("PASS", "configuration", "%s, %s", count(len(s.cfg.Settings.Systems), "system"), count(len(s.cfg.Overrides), "override"))
	d.rights()
	d.kernel()
	d.systems(ctx)
	d.lfs(ctx)
	d.quotaClients(ctx)
	d.proxy(ctx)
	d.waldur(ctx)
	d.state()
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
	needed := []capability{{unix.CAP_CHOWN, "CAP_CHOWN"}, {unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"}, {unix.CAP_FOWNER, "CAP_FOWNER"}, {unix.CAP_FSETID, "CAP_FSETID"}}
	if slices.ContainsFunc(d.cfg.Settings.Systems, func(s planner.System) bool { return s.Quota.Kind == planner.QuotaLustre }) {
		needed = append(needed, capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN (to set quotas)"})
	}
	if slices.ContainsFunc(d.cfg.Settings.Systems, byProject) {
		needed = append(needed, capability{unix.CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE (to set project ids)"})
	}
	var missing []string
	for _, c := range needed {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		d.say("WARN", "rights", "this user lacks %s: plan works, apply will not; run it as root", strings.Join(missing, ", "))
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
	o, done, err := d.observer(0)
	if err != nil {
		d.say("FAIL", "storage", "%v", err)
		return
	}
	defer done()
	mounts := o.Mounts(ctx, d.cfg.Settings.Systems)
	for _, sys := range d.cfg.Settings.Systems {
		m := mounts[sys.Name]
		switch {
		case m.Unknown != "":
			d.say("FAIL", "system "+sys.Name, "%s", m.Unknown)
		case m.Problem != "":
			d.say("FAIL", "system "+sys.Name, "%s", m.Problem)
		default:
			d.say("PASS", "system "+sys.Name, "%s, inode %d", m.Filesystem, m.Inode)
			d.archive(sys)
			d.projects(sys)
		}
		if sys.Quota.Kind == planner.QuotaLustre {
			d.say("WARN", "system "+sys.Name, "whether its quotas are enforced cannot be seen from a client: on the servers, look at osd-*.*.quota_slave.info")
		}
	}
}

func (d *doctor) archive(sys planner.System) {
	path := filepath.Join(d.cfg.Storage.Root, sys.Archive)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say("PASS", "archive "+sys.Name, "%s will be made when it is needed", path)
	case err != nil:
		d.say("WARN", "archive "+sys.Name, "%v", err)
	case !info.IsDir() || info.Mode().Perm()&0o077 != 0:
		d.say("FAIL", "archive "+sys.Name, "%s has mode %s; it must be a directory of root's with mode 0700: chmod 700 %s", path, info.Mode(), path)
	default:
		d.say("PASS", "archive "+sys.Name, "%s is closed to others", path)
	}
}

// proxy reads one small listing, and compares clocks.
func (d *doctor) proxy(ctx context.Context) {
	p := d.cfg.Proxy
	if p == nil {
		d.say("WARN", "proxy", "there is no proxy block: plan needs --resources, and apply is refused")
		return
	}
	source, err := d.source(nil)
	if err == nil {
		start := d.now()
		_, err = source.List(ctx, []planner.Status{planner.StatusError})
		d.judge("proxy", err, "%s answered within %s", source.Name(), d.now().Sub(start).Round(time.Millisecond))
	} else {
		d.say("FAIL", "proxy", "%v", err)
	}
	if end, ok := tokenEnd(p.Token.Reveal()); ok {
		left := end.Sub(d.now())
		switch {
		case left <= 0:
			d.say("FAIL", "proxy token", "it expired %s; get a new one, or use an oidc block", minute(end))
		case left < 48*time.Hour:
			d.say("WARN", "proxy token", "it expires %s; an oidc block renews by itself", minute(end))
		default:
			d.say("PASS", "proxy token", "good until %s", minute(end))
		}
	}
	d.clock(ctx, p.URL)
}

// tokenEnd is when a JWT expires; false if the token is none.
func tokenEnd(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.Exp == 0 {
		return time.Time{}, false
	}
	return time.Unix(claims.Exp, 0), true
}

// clock compares this node's with the proxy's.
func (d *doctor) clock(ctx context.Context, url string) {
	ctx, cancel := context.WithTimeout(ctx, canaryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return
	}
	answer, err := d.transport().RoundTrip(req)
	if err != nil {
		return
	}
	answer.Body.Close()
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	if off := d.now().Sub(theirs).Abs(); off > time.Minute {
		d.say("WARN", "clock", "it is %s off the proxy's: approvals and tokens depend on it", off.Round(time.Second))
		return
	}
	d.say("PASS", "clock", "agrees with the proxy's")
}

// waldur asks for an order that nobody has: a good token is answered 404, a bad one 401.
func (d *doctor) waldur(ctx context.Context) {
	if d.cfg.Waldur == nil {
		d.say("WARN", "waldur", "there is no waldur block: orders are blocked, and apply is refused")
		return
	}
	_, err := d.orders().Get(ctx, d.cfg.Waldur.URL+"marketplace-orders/00000000000000000000000000000000/")
	if errors.Is(err, providers.ErrOrderGone) {
		err = nil
	}
	d.judge("waldur", err, "%s takes the token", d.cfg.Waldur.URL)
}

// state reads the state, and looks at where it lies.
func (d *doctor) state() {
	recorded, err := d.store.Recorded()
	d.judge("state", err, "%s: %s, %s waiting", d.store.Dir(), count(len(recorded.Records), "record"), count(len(recorded.Undelivered), "callback"))
	var st unix.Statfs_t
	if err := unix.Statfs(d.store.Dir(), &st); err == nil && (uint32(st.Type) == 0x0BD00BD0 || uint32(st.Type) == 0x6969) {
		d.say("WARN", "state", "%s lies on Lustre or NFS: put it on a local disk", d.store.Dir())
	}
	if path := d.cfg.Approval.AllowedSigners; path != "" {
		_, err := d.readSigners(path)
		d.judge("signers", err, "%s can be read", path)
	}
}

func (d *doctor) show(asJSON bool) error {
	failed := false
	var b strings.Builder
	for _, f := range d.findings {
		failed = failed || f.Verdict == "FAIL"
		paint := map[string]color.Attribute{"PASS": color.FgGreen, "WARN": color.FgYellow, "FAIL": color.FgRed}[f.Verdict]
		fmt.Fprintf(&b, "%s  %-16s %s\n", d.paint(d.stdout, f.Verdict, paint), f.Check, planfile.Escape(f.Text))
	}
	err := error(nil)
	if asJSON {
		err = d.printJSON(d.findings)
	} else {
		err = d.print(b.String())
	}
	if err == nil && failed {
		return ended(exitError)
	}
	return err
}
