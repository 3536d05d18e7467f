package lfssim

import (
	"strconv"
	"strings"
)

func oldQuotaOptions() options {
	return short("gi:I:o:pqtuvhUGP").long("pool", "pool", poolArgument)
}

func modernQuotaOptions() options {
	o := short("aghi:I:m:no:pqs:e:tuvUGPbB").
		long("pool", "pool", poolArgument).long("show-root", "show-root", noArgument).
		long("mdt", "mdt", needsArgument).long("ost", "ost", needsArgument).
		// The table says that these options take an argument, which is then ignored. The id is the first
		// word after it.
		long("user", "u", needsArgument).long("group", "g", needsArgument).
		long("projid", "p", needsArgument).
		long("delimiter", "delimiter", needsArgument)
	o["m"], o["b"] = option{"mdt", needsArgument}, option{"bsoft", noArgument}
	o["B"] = option{"bhard", noArgument}
	for name, spellings := range map[string]string{
		"busage": "blocks busage space", "bsoft": "block-softlimit bsoftlimit",
		"bhard":  "block-hardlimit bhardlimit blimit",
		"bgrace": "block-grace bgrace btime", "path": "filesystem mount-point",
		"iusage": "inodes iusage",
		"isoft":  "inode-softlimit isoftlimit", "ihard": "inode-hardlimit ihardlimit ilimit",
		"igrace": "inode-grace igrace itime",
	} {
		for _, s := range strings.Fields(spellings) {
			o.long(s, name, noArgument)
		}
	}
	return o
}

// option handles one option.
func (q *quotaRun) option(name, value string) int {
	switch name {
	case "u", "g", "p":
		return q.setType(name)
	case "U", "G", "P":
		q.defaults, q.pool, q.allPools = true, "", false
		return q.setType(strings.ToLower(name))
	case "t":
		q.times, q.pool, q.allPools = true, "", false
	case "q":
		q.quiet = true
	case "v":
		q.verbose = true
	case "h":
		q.layout.human = true
	case "pool":
		q.pool, q.allPools = value, value == ""
	case "i", "I", "o", "mdt", "ost":
		return q.chooseTarget(name, value)
	case unknownOption:
		q.prog.complain("lfs quota: unrecognized option '%s'\n", value)
		return q.prog.usage("quota")
	default:
		q.modernOption(name, value)
	}
	return 0
}

func (q *quotaRun) modernOption(name, value string) {
	switch name {
	case "a":
		q.list = true
	case "n":
		q.numeric = true
	case "e":
		q.last, _ = number(value)
	case "s":
		q.first, _ = number(value)
	case "show-root":
		q.withRoot = true
	case "delimiter":
		q.layout.delim = value
	default:
		q.layout.fields = append(q.layout.fields, name)
	}
}

func (q *quotaRun) setType(letter string) int {
	if q.typ != "" {
		q.prog.complain("lfs quota: only one of -u, -g, or -p may be specified\n")
		return q.prog.usage("quota")
	}
	q.typ = typeOf(letter)
	return 0
}

func typeOf(letter string) Type {
	switch letter {
	case "u":
		return User
	case "g":
		return Group
	}
	return Project
}

// chooseTarget handles -i, -I, -o, --mdt and --ost. The old -o compares with a name that was cut to
// nothing, so it never matches.
func (q *quotaRun) chooseTarget(name, value string) int {
	switch {
	case q.prog.rel.modern && name == "i":
		q.prog.complain("'-i' deprecated, use '--ost' or '--mdt'\n")
	case q.prog.rel.modern && name == "I":
		q.prog.complain("'-I' deprecated, use '--ost'\n")
	}
	if name == "o" && !q.prog.rel.modern {
		q.target = target{"UUID", -1}
		return 0
	}
	kind := "OST"
	if name == "i" || name == "mdt" {
		kind = "MDT"
	}
	index, err := strconv.Atoi(value)
	if err != nil {
		return q.targetByName(value)
	}
	q.target = target{kind, index}
	return 0
}

// targetByName parses NAME-OST0001_UUID. An unknown name is left to the servers, which refuse it.
func (q *quotaRun) targetByName(value string) int {
	_, name, _ := strings.Cut(strings.TrimSuffix(value, "_UUID"), "-")
	q.target = target{"UUID", -1}
	if t, ok := parseTarget(name); ok {
		q.target = t
	}
	return 0
}
