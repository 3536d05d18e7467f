package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// SharedState is a state that nodes share.
type SharedState struct {
	// URL is the URL of the database. It is not set unless secrets are read.
	URL Secret
	// Name is the name of the state in the database. Nodes with one name are one fail-over group.
	Name string
	// Node is the name of this node; empty means the host name.
	Node string
	// Lease is how long a node may be silent before another one takes over.
	Lease time.Duration
	// Group is the SHA-256 of everything that nodes with one name must have in common.
	Group string
	// Fence is the absolute path of the program that makes sure that another node is stopped, and its
	// arguments; empty if there is none.
	Fence []string
}

// statePostgres is the label of a state block for a shared state.
const statePostgres = "postgres"

// sharedState reads the attributes of a labelled state block, except path.
func (d *decoder) sharedState(block *hcl.Block, s section) {
	if block.Labels[0] != statePostgres {
		d.errorAt(block.LabelRanges[0], "Unknown kind of state",
			`%q is not a kind of state. Write state "postgres" for a state that several `+
				"nodes share, or a state block without a label for a state in a file.", block.Labels[0])
		return
	}
	shared := &SharedState{URL: s.stateURL(), Name: s.name("name"), Node: s.name("node"),
		Lease: s.duration("lease", 30*time.Second, time.Second)}
	if shared.Lease > time.Hour {
		s.wrong("lease", "Want at most one hour: until it expires, nobody takes over from a dead node.")
	}
	for i, fence := range s.blocks {
		if i > 0 {
			d.errorAt(fence.DefRange, "Duplicate fence block",
				"At most one fence block is allowed; the first is at line %d.",
				s.blocks[0].DefRange.Start.Line)
			break
		}
		f := d.open(fence, []string{"!exec"})
		shared.Fence = f.texts("exec", nil)
		if f.has("exec") && (len(shared.Fence) == 0 || !filepath.IsAbs(shared.Fence[0])) {
			f.wrong("exec", "Give the absolute path of the program.")
		}
	}
	if d.config.Approval.AllowedSigners == "" {
		d.errorAt(s.defined, "Local approvals with a shared state",
			"A local approval is made with the key of one node, and the other nodes do not "+
				"have that key. Name people's SSH keys with approval.allowed_signers.")
	}
	d.config.Shared = shared
}

// stateURL reads the address of the database. It is a secret that commands without a token need,
// too.
func (s section) stateURL() Secret {
	mode := s.d.options.Secrets
	defer func() { s.d.options.Secrets = mode }()
	if s.d.options.StateURL && mode == Skip {
		s.d.options.Secrets = Read
	}
	return s.secret("url")
}

// name reads a short name in printable ASCII; empty if it is not given.
func (s section) name(attribute string) string {
	name := s.text(attribute, "")
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if s.has(attribute) && (name == "" || len(name) > 63 || slices.ContainsFunc([]rune(name),
		odd)) {
		s.wrong(attribute, "Want 1 to 63 printable ASCII characters without spaces.")
	}
	return name
}

// stateLabels returns the label names of the file's state blocks: none, or the kind.
func stateLabels(file *hcl.File) []string {
	body, ok := file.Body.(*hclsyntax.Body)
	if ok && slices.ContainsFunc(body.Blocks,
		func(b *hclsyntax.Block) bool { return b.Type == "state" && len(b.Labels) > 0 }) {
		return []string{"kind"}
	}
	return nil
}
