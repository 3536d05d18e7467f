package override

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// Match is a match block by itself. Policies match as overrides do.
type Match struct {
	matcher matcher
	text    string
}

// CompileMatch reads a match block.
func CompileMatch(block *hcl.Block, scope *expr.Scope) (*Match, hcl.Diagnostics) {
	m, diags := compileMatch(block, scope)
	var parts []string
	for _, c := range m.texts {
		parts = append(parts, fmt.Sprintf("%s%q", c.name, c.wanted))
	}
	if len(m.gids) > 0 {
		parts = append(parts, fmt.Sprintf("gid%d", m.gids))
	}
	return &Match{m, strings.Join(parts, " ")}, diags
}

// Matches reports whether the block matches this resource.
func (m *Match) Matches(f planner.Facts) bool { return m.matcher.matches(f) }

// String returns the block's meaning in one line. Equal blocks have equal texts.
func (m *Match) String() string { return m.text }
