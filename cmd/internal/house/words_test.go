package house

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// oldWords are words that are hard to understand. The value is what to write instead.
var oldWords = map[*regexp.Regexp]string{
	regexp.MustCompile(`(?i)\banew\b`):                               "again",
	regexp.MustCompile(`(?i)\bmend(s|ed|ing)?\b`):                    "fix",
	regexp.MustCompile(`(?i)\b(is|are|was|were) (still )?under way`): "is running",
	regexp.MustCompile(`(?i)\btells (that|whether|of)\b`):            "reports that, checks whether, names",
	regexp.MustCompile(`(?i)\bgo(es|ing)? on with\b`):                "continue",
	regexp.MustCompile(`(?i)\b(left )?half[- ]made\b`):               "left unfinished",
	regexp.MustCompile(`(?i)\btaken away\b`):                         "removed",
	regexp.MustCompile(`(?i)\blater and later\b`):                    "with increasing delays",
	regexp.MustCompile(`(?i)\bof no use\b`):                          "unusable",
	regexp.MustCompile(`(?i)\bis (broken|called) off\b`):             "stops",
	regexp.MustCompile(`(?i)\bby whomever\b`):                        "by anybody",
	regexp.MustCompile(`(?:^|[.:;] )(?:For )?[Ww]ho(ever)? [a-z]`):   "users who, a person who",
	regexp.MustCompile(`(?:[,.:;] )whoever\b`):                       "anybody who",
}

func oldWord(text string) (found, better string) {
	for word, instead := range oldWords {
		if m := word.FindString(text); m != "" && !strings.HasSuffix(text, "?") {
			return m, instead
		}
	}
	return "", ""
}

// TestMessagesInPlainEnglish checks all strings of the program, which are its messages, help and
// pages.
func TestMessagesInPlainEnglish(t *testing.T) {
	n := 0
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
		parts := map[*ast.BasicLit]bool{}
		ast.Inspect(file, func(node ast.Node) bool {
			e, _ := node.(ast.Expr)
			if lit, ok := e.(*ast.BasicLit); ok && parts[lit] {
				return true
			}
			text := literal(e, parts)
			if text == "" {
				return true
			}
			n++
			for _, s := range sentences(text) {
				if found, better := oldWord(s); found != "" {
					t.Errorf("%s: %q: write %s", set.Position(e.Pos()), found, better)
				}
			}
			return true
		})
	})
	if n < 5000 {
		t.Errorf("only %d strings were found", n)
	}
}

// literal returns a text in the source, even if it is a concatenation. Unknown parts become an X.
// It records the parts.
func literal(e ast.Expr, parts map[*ast.BasicLit]bool) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			parts[e] = true
			text, _ := strconv.Unquote(e.Value)
			return text
		}
	case *ast.BinaryExpr:
		left, right := literal(e.X, parts), literal(e.Y, parts)
		if left+right != "" {
			return cmp.Or(left, "X") + cmp.Or(right, "X")
		}
	}
	return ""
}

// TestDocCommentsBeginWithTheName: each exported identifier has a comment in Go's idiom.
func TestDocCommentsBeginWithTheName(t *testing.T) {
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
		for _, d := range file.Decls {
			for _, c := range exported(d) {
				if !beginsWith(c.text, c.name) {
					t.Errorf("%s: the comment of %s does not begin with its name", set.Position(c.at), c.name)
				}
			}
		}
	})
}

type commented struct {
	name, text string
	at         token.Pos
}

// exported are the exported identifiers of a declaration, with the comments that are theirs. A
// comment of a group of constants or variables stands for all in it, and one at the end of a line
// for that line.
func exported(d ast.Decl) (all []commented) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && receiverIsExported(d) {
			all = append(all, commented{d.Name.Name, d.Doc.Text(), d.Pos()})
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					all = append(all, commented{s.Name.Name, firstComment(s.Doc, d.Doc).Text(), s.Pos()})
				}
			case *ast.ValueSpec:
				if d.Lparen.IsValid() && d.Doc != nil {
					continue
				}
				if name := s.Names[0]; name.IsExported() && s.Comment == nil {
					all = append(all, commented{name.Name, firstComment(s.Doc, d.Doc).Text(), s.Pos()})
				}
			}
		}
	}
	return all
}

func firstComment(doc, group *ast.CommentGroup) *ast.CommentGroup {
	if doc != nil {
		return doc
	}
	return group
}

// receiverIsExported reports whether a function is one, or a method of an exported type. Methods
// that a standard interface explains need no comment.
func receiverIsExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	switch f.Name.Name {
	case "Error", "Unwrap", "String", "Is", "Len", "Less", "Swap", "MarshalJSON", "UnmarshalJSON", "MarshalText",
		"UnmarshalText", "ServeHTTP", "RoundTrip", "Read", "Write", "Close":
		return f.Doc != nil
	}
	base := f.Recv.List[0].Type
	if star, ok := base.(*ast.StarExpr); ok {
		base = star.X
	}
	if generic, ok := base.(*ast.IndexExpr); ok {
		base = generic.X
	}
	name, ok := base.(*ast.Ident)
	return ok && name.IsExported()
}

func beginsWith(comment, name string) bool {
	return regexp.MustCompile(`^(?:A |An |The |Deprecated: )?` + regexp.QuoteMeta(name) +
		`\b`).MatchString(comment)
}

// eachGoFile visits the product's code, without tests and code that is only for tests.
func eachGoFile(t *testing.T, visit func(*token.FileSet, *ast.File)) {
	t.Helper()
	for _, top := range []string{"cmd/cscs-sync", "cmd/internal", "planner", "providers", "state"} {
		err := filepath.WalkDir(filepath.Join("../../..", top),
			func(path string, d fs.DirEntry, err error) error {
				if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
					return err
				}
				set := token.NewFileSet()
				file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
				if err == nil {
					visit(set, file)
				}
				return err
			})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocsInPlainEnglish looks at the README, the changes and all pages: words, and sentences of
// more than 35 words.
func TestDocsInPlainEnglish(t *testing.T) {
	pages := []string{"../../../README.md", "../../../CHANGELOG.md"}
	for _, pattern := range []string{"../../../docs/*.md", "../../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sentences(string(text)) {
			if found, better := oldWord(s); found != "" {
				t.Errorf("%s: %q in %.90q: write %s", page, found, s, better)
			}
			if n := len(strings.Fields(s)); n > 35 {
				t.Errorf("%s: a sentence of %d words: %.90q", page, n, s)
			}
		}
	}
}

var (
	code = regexp.MustCompile("(?ms)^ *```.*?^ *```$|<!--.*?-->")
	// piece matches the beginning of what is its own paragraph: an item, a heading, a row, an empty
	// line.
	piece = regexp.MustCompile(`(?m)^\s*(?:[-*] |\d+\. |#+ |\|)|\n\s*\n| \| `)
	end   = regexp.MustCompile(`([.?!:][)"*]*)(?:\s+|$)`)
)

// sentences returns the sentences of a page, without its code.
func sentences(page string) (all []string) {
	text := code.ReplaceAllString(page, "\n\n")
	text = regexp.MustCompile("`[^`]*`").ReplaceAllString(text, "CODE")
	for _, p := range piece.Split(text, -1) {
		for _, s := range strings.Split(end.ReplaceAllString(p, "$1\x00"), "\x00") {
			if s = strings.Join(strings.Fields(s), " "); s != "" {
				all = append(all, s)
			}
		}
	}
	return all
}

// TestWordsAreFound: the checks above find what they should find.
func TestWordsAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"it begins anew": true, "Who reads only keeps little": true, "mend it in Waldur": true, "the apply is under way": true,
		"errLater tells that a plan failed": true, "goes on with it": true, "left half made": true, "recommend it": false,
		"Who may approve?": false, "fix it in Waldur": false, "users who read only": false,
	} {
		if found, _ := oldWord(text); (found != "") != want {
			t.Errorf("%q: found %q", text, found)
		}
	}
	if got := sentences("# A\n\nOne two. Three `four. five`.\n\n- six\n- seven\n\n```sh\na " +
		"b\n```\n"); len(got) != 5 {
		t.Errorf("sentences: %q", got)
	}
	if !beginsWith("Plan is what", "Plan") || beginsWith("Planner is", "Plan") || beginsWith("", "Plan") {
		t.Error("beginsWith")
	}
}
