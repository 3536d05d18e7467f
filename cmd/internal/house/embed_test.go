package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// embeddings are the structs that may embed a type with methods, and why: by "package.Struct Embedded". Everything
// else has a named field, so that a reader sees whose method is called, and a type has no method by accident.
var embeddings = map[string]string{
	"cmd/cscs-sync.applyOptions planOptions":    "the flags of a plan are flags of the command",
	"cmd/cscs-sync.reportOptions planOptions":   "the flags of a plan are flags of the command",
	"cmd/cscs-sync.scanOptions planOptions":     "the flags of a plan are flags of the command",
	"planner.asked Archived":                    "an entry of the register, and its place",
	"planner/config.osFile *os.File":            "an open file that also says who owns it",
	"planner/render.jsonSummary planner.Counts": "one JSON object",
	"planner/render.jsonSummary quotaCounts":    "one JSON object",
	"planner/scan.Directory planner.Directory":  "one JSON object",
	"planner/upkeep.Record planner.Record":      "one JSON object",
	"providers/site.directory *posix.Dir":       "the whole of apply.Directory but two methods",
	"state.entered planner.Archived":            "one JSON object",
	"state/postgres.written *kv.Overlay":        "the whole of kv.Tx but one method",
}

// source is what the packages of the tree declare.
type source struct {
	kinds   map[string]ast.Expr // by "package.Type"
	methods map[string]int
}

// TestNoStructBorrowsMethods: a struct may embed an interface that it stands before, and plain data. It does not embed
// another type to have its methods.
func TestNoStructBorrowsMethods(t *testing.T) {
	s := source{map[string]ast.Expr{}, map[string]int{}}
	eachGoFile(t, func(set *token.FileSet, file *ast.File) { s.note(packageOf(set, file), file) })
	seen, found := map[string]bool{}, 0
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
		here := packageOf(set, file)
		for _, e := range embedded(file) {
			found++
			name := fmt.Sprintf("%s.%s %s", here, e.in, types.ExprString(e.field))
			if seen[name] = true; s.isPlain(here, file, e.field) || embeddings[name] != "" {
				continue
			}
			t.Errorf("%s: %s: name the field, and call its methods by that name", set.Position(e.field.Pos()), name)
		}
	})
	for name := range embeddings {
		if !seen[name] {
			t.Errorf("%q is not in the code any more", name)
		}
	}
	if found < 20 {
		t.Errorf("only %d embedded fields were found", found)
	}
}

// packageOf is the folder of a file, from the top of the tree.
func packageOf(set *token.FileSet, file *ast.File) string {
	return strings.TrimPrefix(filepath.ToSlash(filepath.Dir(set.Position(file.Pos()).Filename)), top+"/")
}

func (s *source) note(here string, file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil {
				s.methods[here+"."+bare(d.Recv.List[0].Type)]++
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if of, ok := spec.(*ast.TypeSpec); ok {
					s.kinds[here+"."+of.Name.Name] = of.Type
				}
			}
		}
	}
}

// bare is the name of a type without its star and its parameters.
func bare(e ast.Expr) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(types.ExprString(e), "*"), "[")
	return name
}

type embeddedField struct {
	in    string
	field ast.Expr
}

func embedded(file *ast.File) (all []embeddedField) {
	in := ""
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			in = n.Name.Name
		case *ast.StructType:
			for _, f := range n.Fields.List {
				if len(f.Names) == 0 {
					all = append(all, embeddedField{in, f.Type})
				}
			}
		}
		return true
	})
	return all
}

// isPlain reports whether what is embedded is an interface or data. Of other modules only the interfaces are known that
// are listed.
func (s *source) isPlain(here string, file *ast.File, field ast.Expr) bool {
	name := types.ExprString(field)
	switch name {
	case "error", "io.Reader", "io.Writer", "io.ReadCloser", "http.RoundTripper", "ssh.AlgorithmSigner":
		return true
	}
	at := here + "." + bare(field)
	if in, of, ok := strings.Cut(bare(field), "."); ok {
		at = imported(file, in) + "." + of
	}
	switch s.kinds[at].(type) {
	case *ast.InterfaceType:
		return true
	case *ast.StructType:
		return !strings.HasPrefix(name, "*") && s.methods[at] == 0
	}
	return false
}

// imported is the folder of a package of this module that a file imports under a name.
func imported(file *ast.File, name string) string {
	for _, i := range file.Imports {
		full, _ := strconv.Unquote(i.Path.Value)
		own, ours := strings.CutPrefix(full, "github.com/waldur/cscs-storage-sync/")
		if ours && (i.Name != nil && i.Name.Name == name || path.Base(own) == name) {
			return own
		}
	}
	return ""
}
