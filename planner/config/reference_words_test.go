package config

// referenceSection is a block of the configuration: the function that reads it, its number among
// the blocks that this function opens, and the functions that read its attributes.
type referenceSection struct {
	title, about string
	functions    []string
	nth          int
	meanings     map[string]string
	// forms and defaults stand in for what the source does not show.
	forms, defaults map[string]string
	after           string
}

const referenceIntroduction = `# Configuration

This page lists every block and attribute of the configuration. ` + "`cscs-sync init`" + ` writes a file with
comments to start from, and ` + "`cscs-sync validate`" + ` checks it. Whole files are in ` + "`examples/configs/`" + `.

The configuration is HCL: one file, or a folder whose ` + "`*.hcl`" + ` files are read together. Overrides,
variables and functions have [a page of their own](expressions.md). This page is made from the code: run
` + "`go test ./planner/config -run Reference -write`" + `.

- A **duration** is a text such as ` + "`\"90s\"`, `\"5m\"`, `\"12h\"`, `\"7d\"` or `\"2w\"`" + `.
- A **secret** is ` + "`file(\"NAME\")` or `env(\"NAME\")`" + `. A relative path starts in the folder of the configuration.
- A **size** is a number of bytes, such as ` + "`tib(100)`" + `.
`

const referenceEnd = `
## Other blocks

The blocks ` + "`variable`, `locals` and `override`" + ` are on the page [Expressions and overrides](expressions.md).
`

var quotaByID = map[string]string{
	"by":          "what a quota counts: the files of a group, or the tree of a project id",
	"project_ids": "range of project ids, such as `100000-199999`: each resource gets an id of its own. Without it the group id is the project id",
	"shared":      "what several resources on one quota get together: nothing (`refuse`), the sum of their limits or the largest",
	"on_remove":   "what happens to the limits when a resource ends: `freeze` lowers them to what is used",
}

func with(more map[string]string, base map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{base, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

var referenceSections = []referenceSection{
	{title: "proxy", about: "The Waldur Storage Proxy lists the resources that should exist.",
		functions: []string{"proxy"}, meanings: map[string]string{
			"url":     "where the resources are listed",
			"token":   "bearer token; needed unless there is an `oidc` block",
			"timeout": "time limit of a whole listing",
		}},
	{title: "proxy › oidc", about: "Gets tokens from an OpenID Connect provider, in place of `token`.",
		functions: []string{"proxy"}, nth: 1, meanings: map[string]string{
			"token_url":     "the provider's token endpoint",
			"client_id":     "the client",
			"client_secret": "its secret",
			"scope":         "the scope to ask for",
		}},
	{title: "waldur", about: "Waldur gets the callbacks. Callbacks go below this URL and nowhere else.",
		functions: []string{"waldur"}, meanings: map[string]string{
			"url":            "base of Waldur's API",
			"aliases":        "other URLs by which the proxy names the same Waldur",
			"token":          "API token",
			"set_backend_id": "report the mount path of a new resource",
			"report_quotas":  "report limits to Waldur. Waldur then pins them: later changes of limits have no effect",
			"report_usage":   "report how much of each resource is used, once per audit",
			"order_messages": "tell the customer of an open order what it waits for: [a how-to page](../how-to/report-to-waldur.md)",
		}},
	{title: "storage", about: "Where the systems are on this node, and what is never allowed.",
		functions: []string{"storage"}, meanings: map[string]string{
			"root":     "the folder that holds the systems on this node",
			"archive":  "one archive folder for all systems, below `root`",
			"max_mode": "a mode that grants more than this is `[WIDER ACCESS]` and waits for a person. Setgid and sticky grant nothing",
			"min_gid":  "the lowest group id that may own a directory",
			"parents":  "`create` makes missing tenant and customer directories; `enforce` also corrects their owner and mode",
			"tera":     "what the proxy's TB means",
		}, defaults: map[string]string{"archive": "`.trash` in each system"}},
	{title: "system \"NAME\"", about: "A storage system. The name, or one of the slugs, is the first component of its mount paths.",
		functions: []string{"system", "filesystem", "paths"}, meanings: map[string]string{
			"slugs":             "other names that the proxy has for the system. After a rename in Waldur, add the new slug here",
			"directory":         "the system's folder",
			"paths":             "other prefixes of mount paths and their folders, such as `{ \"/scratch\" = \"capstor/legacy\" }`",
			"filesystem":        "what must be mounted there: `lustre`, `nfs`, `xfs`, `ext4` and so on; `any` to try things out",
			"archive":           "this system's archive folder, on the same filesystem",
			"archive_retention": "how long archived data is kept at least",
			"overcommit":        "a change that has hard limits promise more than this factor of the capacity, such as `1.5`, is dangerous and waits for a person: [a how-to page](../how-to/see-it.md)",
		}, defaults: map[string]string{"archive": "`.trash` in the system"}},
	{title: "system › quota \"lustre\"", about: "Sets the quotas of a [Lustre](lustre.md) filesystem.",
		functions: []string{"lustre", "byID", "projectIDs"}, meanings: with(map[string]string{
			"client": "how quotas are read and set",
			"lfs":    "the program",
		}, quotaByID), defaults: map[string]string{"lfs": "`/usr/bin/lfs`"}},
	{title: "system › quota \"linux\"", about: "Sets the kernel's quotas on [XFS and ext4](linux.md).",
		functions: []string{"linux", "byID", "projectIDs"}, meanings: quotaByID},
	{title: "system › quota \"vast\"", about: "Sets directory quotas of a [VAST](vast.md) system.",
		functions: []string{"vast", "quotaAccess"}, meanings: map[string]string{
			"url":         "base of the management API",
			"token":       "API token; or `user` and `password`",
			"user":        "name to log in with",
			"password":    "its password",
			"ca_file":     "certificates that the system's own is checked against",
			"tenant":      "the tenant whose quotas these are; needed if the token sees several",
			"path_prefix": "VAST's path of what is mounted as the system's directory",
			"on_remove":   "what happens to the quota when a resource ends",
		}, defaults: map[string]string{"ca_file": "the node's certificates"}},
	{title: "system › quota \"none\"", about: "Nobody sets quotas here.",
		functions: []string{"quota"}, meanings: map[string]string{
			"orders": "what happens to an order that asks for quotas: it waits for a person, or completes without them",
		}},
	{title: "approval", about: "Which approvals a plan needs. See [Approvals](approvals.md).",
		functions: []string{"approval"}, meanings: map[string]string{
			"required":        "how many different people must approve",
			"allowed_signers": "file of SSH keys, in the format of `ssh-keygen`. Without it approvals are local",
			"valid_for":       "how long an approval counts",
		}},
	{title: "auto_approve", about: "What the loop may do without a person. See [Run unattended](../how-to/run-unattended.md#the-policy).",
		functions: []string{"autoApprove"}, meanings: map[string]string{
			"allow":        "kinds of change that the policy approves",
			"max_changes":  "changes in a round; the rest runs in the next round",
			"max_archives": "archives in a round; the rest is held",
			"max_space":    "bytes by which hard limits may grow in a round, all together; `0` is no bound",
			"max_share":    "percentage of all resources that a round may change; more holds the whole round; `0` is no bound",
			"min_used":     "percentage of the hard limit that must be used before it is raised; `0` is no bound",
			"max_raise":    "largest factor by which a limit may grow; `0` is no bound",
		}, after: "\nA `match { … }` block restricts the policy to some resources. It has the same attributes as in " +
			"[overrides](expressions.md#match). The resources of any of several blocks match.\n"},
	{title: "auto_approve › window", about: "When the policy may approve. Deny wins over allow.",
		functions: []string{"window"}, meanings: map[string]string{
			"days": "days on which the window begins, such as `[\"mon\", \"tue\"]`",
			"from": "when it begins, such as `\"08:00\"`",
			"to":   "when it ends. A time before `from` is on the next day",
			"zone": "time zone, such as `\"Europe/Zurich\"`",
			"deny": "close in place of open",
		}, defaults: map[string]string{"days": "all days"}},
	{title: "run", about: "The unattended loop.",
		functions: []string{"run"}, meanings: map[string]string{
			"interval":       "time between rounds for orders",
			"audit_interval": "time between complete rounds, with drift",
			"listen":         "loopback address for metrics, health and the status page, such as `127.0.0.1:9811`",
		}},
	{title: "run › notify", about: "Gets a notice of held plans, of resources in quarantine and of orders that wait.",
		functions: []string{"notify"}, meanings: map[string]string{
			"exec":    "program and arguments; it reads JSON from standard input",
			"webhook": "address that gets the JSON by POST",
			"token":   "bearer token for the webhook",
		}},
	{title: "state", about: "Where the state lies.",
		functions: []string{"state"}, nth: 1, meanings: map[string]string{
			"path": "a folder on a local disk, never on the managed storage",
		}, after: "\nWithout the block the path is `/var/lib/cscs-sync`.\n"},
	{title: "state \"postgres\"", about: "A state that several nodes share. See [Two nodes](../how-to/two-nodes.md).",
		functions: []string{"state", "sharedState", "stateURL"}, meanings: map[string]string{
			"url":   "connection URL, with the password",
			"name":  "name of the state: one database can hold several",
			"node":  "this node's name",
			"path":  "this node's own files",
			"lease": "how long a node may be silent before another node takes over",
		}, forms: map[string]string{"url": "secret"},
		defaults: map[string]string{"node": "the host name", "path": "`/var/lib/cscs-sync`"}},
	{title: "state \"postgres\" › fence", about: "The program that makes sure that another node is off.",
		functions: []string{"sharedState"}, meanings: map[string]string{
			"exec": "program and arguments; the node's name becomes the last argument",
		}},
}
