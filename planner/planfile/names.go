package planfile

import (
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Renderer is [canonical.Renderer].
const Renderer = canonical.Renderer

// FormatVersion is [render.FormatVersion].
const FormatVersion = render.FormatVersion

// Options is [render.Options].
type Options = render.Options

// ID is [canonical.ID].
func ID(core planner.Core) string { return canonical.ID(core) }

// ShortID is [canonical.ShortID].
func ShortID(id string) string { return canonical.ShortID(id) }

// ContextDigest is [canonical.ContextDigest].
func ContextDigest(plan *planner.Plan) string { return canonical.ContextDigest(plan) }

// Quote is [render.Quote].
func Quote(s string) string { return render.Quote(s) }

// Escape is [render.Escape].
func Escape(s string) string { return render.Escape(s) }

// EscapeJSON is [render.EscapeJSON].
func EscapeJSON(data []byte) []byte { return render.EscapeJSON(data) }

// ShellWord is [render.ShellWord].
func ShellWord(s string) string { return render.ShellWord(s) }

// Text is [render.Text].
func Text(plan *planner.Plan, opt Options) []byte { return render.Text(plan, opt) }

// Dangers is [render.Dangers].
func Dangers(plan *planner.Plan) string { return render.Dangers(plan) }
