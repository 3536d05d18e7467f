package config

import (
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
	"github.com/waldur/cscs-storage-sync/planner/override"
)

const day = 24 * time.Hour

// decode fills the Config from the blocks of all files.
func (d *decoder) decode(blocks hcl.Blocks, inputs []expr.Input) {
	single := map[string]*hcl.Block{}
	var systems, overrides, variables, locals hcl.Blocks
	for _, b := range blocks {
		switch b.Type {
		case "system":
			systems = append(systems, b)
		case "override":
			overrides = append(overrides, b)
		case "variable":
			variables = append(variables, b)
		case "locals":
			locals = append(locals, b)
		default:
			if first := single[b.Type]; first != nil {
				d.errorAt(b.DefRange, "Duplicate "+b.Type+" block",
					"At most one %s block is allowed; the first is at %s:%d.",
					b.Type, first.DefRange.Filename, first.DefRange.Start.Line)
				continue
			}
			single[b.Type] = b
		}
	}
	if !d.compileScope(variables, locals, inputs) {
		return // the blocks that use variables have no values to check
	}
	d.proxy(single["proxy"])
	d.waldur(single["waldur"])
	storage := d.storage(single["storage"], blocks)
	d.approval(single["approval"])
	d.run(single["run"])
	d.autoApprove(single["auto_approve"])
	d.systems(systems, storage)
	d.state(single["state"])
	d.overrides(overrides)
	d.rootOwner()
	if !d.opaqueURL {
		d.config.Settings.Fingerprint, d.config.Settings.Parts = fingerprint(d.config),
			parts(d.config)
	}
	if shared := d.config.Shared; shared != nil {
		shared.Group = d.group(overrides)
	}
}

func (d *decoder) proxy(block *hcl.Block) {
	if block == nil {
		return
	}
	s := d.open(block, []string{"!url", "token", "timeout"}, hcl.BlockHeaderSchema{Type: "oidc"})
	p := &Proxy{URL: s.baseURL("url"), Token: s.secret("token"), Timeout: s.duration("timeout",
		10*time.Minute, time.Second)}
	d.config.Proxy = p
	for i, b := range s.blocks {
		if i > 0 {
			d.errorAt(b.DefRange, "Duplicate oidc block",
				"At most one oidc block is allowed; the first is at line %d.",
				s.blocks[0].DefRange.Start.Line)
			continue
		}
		o := d.open(b, []string{"!token_url", "!client_id", "!client_secret", "scope"})
		p.OIDC = &OIDC{TokenURL: o.url("token_url"), ClientID: o.text("client_id", ""),
			ClientSecret: o.secret("client_secret"),
			Scope:        o.text("scope", "openid")}
	}
	switch {
	case s.has("token") && p.OIDC != nil:
		d.errorAt(s.attrs["token"].NameRange, "Two kinds of token",
			"Give the proxy a token or an oidc block, not both.")
	case !s.has("token") && p.OIDC == nil:
		d.errorAt(s.defined, "Missing token",
			`The proxy needs a token: write token = file("…"), or an oidc block.`)
	}
}

func (d *decoder) waldur(block *hcl.Block) {
	if block == nil {
		return
	}
	s := d.open(block, []string{"!url", "aliases", "!token", "set_backend_id", "report_quotas",
		"report_usage", "order_messages"})
	w := &d.config.Settings.Waldur
	*w = planner.WaldurSettings{URL: s.baseURL("url"), SetBackendID: s.boolean("set_backend_id",
		true),
		ReportQuotas: s.boolean("report_quotas", false)}
	for _, alias := range s.texts("aliases", nil) {
		u, err := parseURL(alias, true)
		if err != nil {
			s.wrong("aliases", "%v.", err)
			continue
		}
		if u[len(u)-1] != '/' {
			u += "/"
		}
		if !slices.Contains(w.Aliases, u) {
			w.Aliases = append(w.Aliases, u)
		}
	}
	d.config.Waldur = &Waldur{URL: w.URL, Token: s.secret("token"),
		ReportUsage:   s.boolean("report_usage", false),
		OrderMessages: s.boolean("order_messages", false)}
}

// storage reads the storage block. It returns the section, in which later checks find the place of
// the common archive.
func (d *decoder) storage(block *hcl.Block, all hcl.Blocks) section {
	if block == nil {
		diag := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Missing storage block",
			Detail: `Say where the systems are on this node: storage { root = "/mnt/lustre" }.`}
		if len(all) > 0 {
			start := all[0].DefRange
			start.End = start.Start
			diag.Subject = &start
		}
		d.diags = append(d.diags, diag)
	}
	s := d.open(block, []string{"!root", "archive", "max_mode", "min_gid", "parents", "tera"})
	c := d.config
	c.Storage.Root = s.absolute("root")
	if c.Storage.Root != "" {
		c.Storage.Archive = s.below("archive", c.Storage.Root)
	}
	c.Settings.MinGID = planner.GID(s.number("min_gid", 1000, 1, math.MaxInt32))
	c.Settings.MaxMode = s.mode("max_mode", "2775")
	c.Settings.Parents = planner.ParentsPolicy(s.word("parents", string(planner.ParentsCreate),
		string(planner.ParentsCreate),
		string(planner.ParentsEnforce)))
	c.Settings.Tera = 1 << 40
	if s.word("tera", "TiB", "TiB", "TB") == "TB" {
		c.Settings.Tera = 1e12
	}
	return s
}

func (d *decoder) approval(block *hcl.Block) {
	s := d.open(block, []string{"required", "allowed_signers", "valid_for"})
	a := &d.config.Approval
	a.Required = int(s.number("required", 1, 1, 100))
	a.ValidFor = s.duration("valid_for", 7*day, time.Minute)
	if signers := s.text("allowed_signers", ""); s.has("allowed_signers") && signers != "" {
		a.AllowedSigners = d.beside(signers, s.at("allowed_signers"))
		d.signers(s)
	} else if s.has("allowed_signers") {
		s.wrong("allowed_signers",
			"Give the path of a file; leave it out for local approvals.")
	}
	if a.Required > 1 && !s.has("allowed_signers") {
		s.wrong("required", "More than one approval needs allowed_signers, because local approvals "+
			"cannot tell people apart.")
	}
}

// signers checks that the allowed_signers file can be relied on. Its content is read when an
// approval is judged.
func (d *decoder) signers(s section) {
	if d.options.Secrets == Skip {
		return
	}
	path := d.config.Approval.AllowedSigners
	if err := d.deps.Trusted(path); err != nil {
		s.wrong("allowed_signers", "%v.", err)
		return
	}
	f, err := d.deps.Open(path)
	if err != nil {
		s.wrong("allowed_signers", "%v.", plain(path, err))
		return
	}
	defer f.Close()
	if err := checkOpen(d.deps, f, path, false); err != nil {
		s.wrong("allowed_signers", "%v.", err)
	}
}

func (d *decoder) run(block *hcl.Block) {
	s := d.open(block, []string{"interval", "audit_interval", "listen"},
		hcl.BlockHeaderSchema{Type: "notify"})
	r := &d.config.Run
	if r.Listen = s.text("listen", ""); r.Listen != "" && !isLoopbackListen(r.Listen) {
		s.wrong("listen", "Metrics and health are served on a loopback address and a port, such "+
			"as 127.0.0.1:9811.")
	}
	r.Notify = d.notify(s.blocks)
	before := len(d.diags)
	r.Interval = s.duration("interval", time.Minute, time.Second)
	r.AuditInterval = s.duration("audit_interval", time.Hour, time.Second)
	if r.AuditInterval < r.Interval && len(d.diags) == before {
		s.wrong("audit_interval",
			"An audit is a full round: it cannot run more often than the interval, %s.", r.Interval)
	}
}

func (d *decoder) state(block *hcl.Block) {
	d.config.State = "/var/lib/cscs-sync"
	var s section
	if block != nil && len(block.Labels) > 0 {
		s = d.open(block, []string{"!url", "!name", "node", "path", "lease"},
			hcl.BlockHeaderSchema{Type: "fence"})
		d.sharedState(block, s)
	} else {
		s = d.open(block, []string{"!path"})
	}
	if s.has("path") {
		d.config.State = s.absolute("path")
	}
	at := s.at("path")
	if root := d.config.Storage.Root; root != "" && d.config.State != "" {
		for _, owned := range d.foldersOf(d.config.Settings.Systems) {
			if encloses(filepath.Join(root, owned.folder), d.config.State) {
				d.errorAt(at, "State on the managed storage",
					"The state %s is inside %s of system %q. Put it on a local disk: it must outlive "+
						"the storage, and nobody else may have access to it.",
					d.config.State, filepath.Join(root, owned.folder), owned.system)
				return
			}
		}
	}
	d.stateFolder(at)
}

// stateFolder checks an existing folder. A folder that does not exist yet is created with the right
// mode.
func (d *decoder) stateFolder(at hcl.Range) {
	if d.options.Secrets == Skip || d.config.State == "" {
		return
	}
	if err := d.deps.Trusted(d.config.State); err != nil {
		d.errorAt(at, "Unsafe state folder", "%v.", err)
		return
	}
	f, err := d.deps.Open(d.config.State)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Info()
	if err == nil && !info.Mode.IsDir() {
		err = fmt.Errorf("%s is not a folder", d.config.State)
	}
	if err == nil {
		err = safe(d.config.State, info, d.deps.UID(), false)
	}
	if err != nil {
		d.errorAt(at, "Unsafe state folder", "%v.", err)
	}
}

func (d *decoder) overrides(blocks hcl.Blocks) {
	named := map[string]hcl.Range{}
	labels := map[string]bool{}
	for _, sys := range d.config.Settings.Systems {
		labels[sys.Name] = true
	}
	for _, b := range blocks {
		if first, taken := named[b.Labels[0]]; taken {
			d.errorAt(b.DefRange, "Duplicate override",
				"Plans name overrides, so each override needs a name of its own; the first %s is "+
					"at %s:%d.",
				show(b.Labels[0]), first.Filename, first.Start.Line)
		}
		named[b.Labels[0]] = b.DefRange
		o, diags := override.Compile(b, d.scope)
		d.diags = append(d.diags, diags...)
		if o == nil {
			continue
		}
		for _, name := range o.Systems() {
			if !labels[name] {
				d.warnAt(b.DefRange, "Override of an unknown system",
					"There is no system block %s, so the override matches nothing there.", show(name))
			}
		}
		if o.Expired(d.deps.Now()) {
			d.warnAt(b.DefRange, "Override has expired", "It expired at %s and is ignored.",
				o.Expires().UTC().Format("2006-01-02 15:04:05 MST"))
		}
		d.neverWorks(o, b.DefRange)
		d.config.Overrides = append(d.config.Overrides, o)
	}
}

// notify reads who is told about held plans.
func (d *decoder) notify(blocks hcl.Blocks) *Notify {
	if len(blocks) == 0 {
		return nil
	}
	if len(blocks) > 1 {
		d.errorAt(blocks[1].DefRange, "Duplicate notify block",
			"At most one notify block is allowed; the first is at line %d.",
			blocks[0].DefRange.Start.Line)
	}
	s := d.open(blocks[0], []string{"exec", "webhook", "token"})
	n := &Notify{Exec: s.texts("exec", nil)}
	if s.has("webhook") {
		n.Webhook = s.url("webhook")
	}
	if s.has("token") {
		n.Token = s.secret("token")
	}
	if len(n.Exec) > 0 && !filepath.IsAbs(n.Exec[0]) {
		s.wrong("exec", "Give the absolute path of the program.")
	}
	if len(n.Exec) == 0 && !s.has("webhook") {
		d.errorAt(s.defined, "Nobody to notify",
			`Write exec = ["/path/to/program"], or webhook = "https://…".`)
	}
	return n
}

// isLoopbackListen reports whether an address is a loopback address with a port.
func isLoopbackListen(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
