package manual

import "testing"

// TestWithoutTables: a page of 80 columns has lists in place of a document's tables, and no targets
// of links.
func TestWithoutTables(t *testing.T) {
	t.Parallel()
	const text = "See [this](a.md).\n<!-- a test -->\n\n| Name | Unit | Does |\n|---|---|---|\n" +
		"| `a` | s | x \\| y |\n| b | | z |\n\nEnd.\n"
	const want = "See this.\n\n* **a**: Unit s: x | y\n* **b**: z\n\nEnd.\n"
	if got := string(withoutTables([]byte(text))); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
