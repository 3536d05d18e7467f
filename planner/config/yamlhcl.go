package config

import (
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// convert writes the agent's settings as this configuration.
func (a *agent) convert(disk Disk) Converted {
	var c Converted
	var b strings.Builder
	b.WriteString("# Written by cscs-sync init --from the Python agent's YAML. Read the notes in " +
		"it, then run: cscs-sync validate\n\n")
	a.writeProxy(&b, &c)
	a.writeWaldur(&b, &c)
	a.writeStorage(&b, &c)
	for _, m := range a.mappings {
		a.writeSystem(&b, &c, m, disk)
	}
	if len(a.mappings) == 0 {
		b.WriteString("# One system block for each storage system: resources of a system without a " +
			"block are blocked.\n")
		c.Notes = append(c.Notes,
			"The YAML has no system_mappings: write a system block for each storage system.")
	}
	fmt.Fprintf(&b, "approval {\n  required = 1\n}\n\nrun {\n  interval = %s\n}\n\nstate {\n  "+
		"path = \"/var/lib/cscs-sync\"\n}\n",
		quote(fmt.Sprintf("%ds", a.interval)))
	a.noteSwitches(&c)
	c.HCL = string(hclwrite.Format([]byte(b.String())))
	return c
}

func (a *agent) writeProxy(b *strings.Builder, c *Converted) {
	if a.proxyURL == "" {
		b.WriteString("# The YAML has no proxy_url: fill in a proxy block.\n\n")
		c.Notes = append(c.Notes,
			"The YAML has no proxy_url. Until there is a proxy block, plan needs "+
				"--resources, and apply is refused.")
		return
	}
	if _, err := parseURL(a.proxyURL, false); err != nil {
		c.Notes = append(c.Notes, "proxy_url will not pass validate: "+err.Error()+".")
	}
	fmt.Fprintf(b, "proxy {\n  url   = %s\n  token = file(\"proxy.token\")\n}\n\n",
		quote(a.safeURL(c)))
	c.secret("proxy.token", a.apiToken, "api_token")
}

// safeURL removes user and password from a URL, because such a URL is not accepted.
func (a *agent) safeURL(c *Converted) string {
	if !hasPassword(a.proxyURL) {
		return a.proxyURL
	}
	scheme, rest, _ := strings.Cut(a.proxyURL, "://")
	host, after, _ := strings.Cut(rest, "/")
	c.Notes = append(c.Notes,
		"proxy_url had a user in it, which init left out, because such URLs end up in logs.")
	return scheme + "://" + host[strings.LastIndex(host, "@")+1:] + "/" + after
}

func (c *Converted) secret(name, value, key string) {
	if value == "" {
		c.Notes = append(c.Notes,
			fmt.Sprintf("The YAML has no %s: write the token into %s, mode 0600.", key, name))
		return
	}
	c.Secrets = append(c.Secrets, SecretFile{Name: name, Value: NewSecret(value)})
}

func (a *agent) writeWaldur(b *strings.Builder, c *Converted) {
	b.WriteString("# The agent posted to any URL that the proxy gave. cscs-sync sends callbacks " +
		"only below this URL; fill it in.\n# Until then orders are blocked, and apply is " +
		"refused.\n# waldur {\n#   url   = \"https://waldur.example.com/api/\"\n#   token = " +
		"file(\"waldur.token\")\n# }\n\n")
	c.Notes = append(c.Notes,
		"Fill in waldur.url: the YAML does not have it, and orders are blocked without it.")
	c.secret("waldur.token", a.waldurToken, "waldur_api_token")
}

func (a *agent) writeStorage(b *strings.Builder, c *Converted) {
	b.WriteString("storage {\n")
	if a.root == "" {
		b.WriteString("  # root = \"/mnt/lustre\" # the YAML has no storage_root\n")
		c.Notes = append(c.Notes, "The YAML has no storage_root: fill in storage.root.")
	} else {
		fmt.Fprintf(b, "  root = %s\n", quote(path.Clean(a.root)))
	}
	if a.archive != "" {
		fmt.Fprintf(b, "  archive = %s\n", quote(path.Clean(a.archive)))
		c.Notes = append(c.Notes,
			"storage.archive must be on the same filesystem as the directories that it "+
				"archives. A system on another filesystem needs an archive of its own, or leave "+
				"archive out.")
	}
	fmt.Fprintf(b, "  min_gid = %d\n  tera = \"TiB\" # as the agent took it\n}\n\n", a.minGID)
}

// writeSystem writes a system block. The agent never read system_mappings: it used the first
// component of the mount path as the folder. If the mapping names another folder and the old one
// exists, the data may be in either, and a person must choose.
func (a *agent) writeSystem(b *strings.Builder, c *Converted, m mapping, disk Disk) {
	fmt.Fprintf(b, "system %s {\n", quote(m.key))
	old := path.Join(a.root, m.key)
	switch {
	case m.folder == m.key:
		fmt.Fprintf(b, "  directory = %s\n", quote(m.folder))
	case a.root != "" && !disk.IsDir(old):
		fmt.Fprintf(b, "  directory = %s\n", quote(m.folder))
		c.Notes = append(c.Notes,
			fmt.Sprintf("System %s: the agent never read system_mappings and used %s, which does not "+
				"exist, so init took the mapping's directory %s.", m.key, old, m.folder))
	default:
		fmt.Fprintf(b, "  # Choose one. The agent never read system_mappings: everything that it "+
			"created is in the first directory.\n  # The mapping names the second. Look where "+
			"the data is; a wrong choice creates empty directories beside it.\n  # directory "+
			"= %s\n  # directory = %s\n", quote(m.key), quote(m.folder))
		c.Notes = append(c.Notes,
			fmt.Sprintf("System %s: choose its directory. The mapping says %s, but the agent never read "+
				"system_mappings and used %s, which exists. validate fails until you choose one "+
				"of the two lines.",
				m.key, m.folder, old))
	}
	b.WriteString(`  filesystem = "lustre" # the agent took every system for Lustre; write "nfs" ` +
		"and quota \"none\" where that is wrong\n  quota \"lustre\" {\n    by = \"group\"\n    # " +
		`shared = "sum" # several resources of one group: see ` +
		"docs/reference/configuration.md\n  }\n}\n\n")
}

func (a *agent) noteSwitches(c *Converted) {
	c.Notes = append(c.Notes,
		"Check filesystem and quota of each system: the agent took all of them for Lustre.")
	if len(a.mappings) > 0 {
		c.Notes = append(c.Notes,
			"Choose shared in each quota block where several resources on one filesystem "+
				"have one group (a project's store and archive): the agent gave the group the "+
				`limits of the last one. Without shared = "sum" or "max" such a quota is blocked.`)
	}
	if a.dryRun {
		c.Notes = append(c.Notes,
			"dry_run has no counterpart in the configuration: plan changes nothing, and "+
				"neither does run --dry-run. (The agent's dry_run still changed Waldur.)")
	}
	if a.debug {
		c.Notes = append(c.Notes,
			"debug_mode made the agent skip changes of ownership and has no counterpart; use "+
				"--log-level debug for a longer log.")
	}
}

// quote writes a text as HCL does, and escapes templates and control characters.
func quote(s string) string {
	return strings.TrimSpace(string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()))
}
