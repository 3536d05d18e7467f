package waldur

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestArrayOfPages: an array of pages, such as jq -s writes, is read as those pages.
func TestArrayOfPages(t *testing.T) {
	array := func(paths ...string) string {
		var texts []string
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		to := filepath.Join(t.TempDir(), "pages.json")
		if err := os.WriteFile(to, []byte(" [\n"+strings.Join(texts, " ,\n")+"]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return to
	}
	list := func(paths ...string) ([]planner.Item, error) {
		return NewFiles(paths, nil, nil).List(context.Background(), nil)
	}
	var pages []string
	for n := 9; n > 0; n-- {
		pages = append(pages, responsePaths(fmt.Sprintf("mini_page%d.json", n))...)
	}
	for name, paths := range map[string][]string{"all": {array(pages...)},
		"two arrays":         {array(pages[:4]...), array(pages[4:]...)},
		"an array and files": append([]string{array(pages[:7]...)}, pages[7:]...)} {
		if items, err := list(paths...); err != nil || len(items) != 41 {
			t.Errorf("%s: %d items, %v", name, len(items), err)
		}
	}
	for want, paths := range map[string][]string{
		"page 9 of 9 is missing":  {array(pages[1:]...)},
		"and so is entry 1 of":    {array(pages[0], pages[0])},
		"entry 2: ":               {array(pages[0], responsePaths("err_404.json")[0])},
		"not of resources: entry": {array(responsePaths("err_404.json")[0], pages[0])},
	} {
		if _, err := list(paths...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func responsePaths(names ...string) []string {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join("testdata", "responses", n)
	}
	return paths
}

func fromFiles(names ...string) ([]planner.Item, error) {
	return NewFiles(responsePaths(names...), strings.NewReader(""), nil).List(context.Background(),
		nil)
}

// TestSavedListings: each complete listing from the real proxy is read, without a problem in any
// item.
func TestSavedListings(t *testing.T) {
	pages := []string{"mini_page7.json", "mini_page1.json", "mini_page9.json", "mini_page2.json", "mini_page3.json", "mini_page4.json",
		"mini_page5.json", "mini_page6.json", "mini_page8.json"}
	for _, c := range []struct {
		files []string
		want  int
	}{
		{[]string{"mini.json"}, 41},
		{pages, 41},
		{[]string{"state_OK_ignored.json"}, 41},
		{[]string{"status_pending.json"}, 6},
		{[]string{"status_active.json"}, 7},
		{[]string{"status_updating.json"}, 3},
		{[]string{"status_removing.json"}, 1},
		{[]string{"status_removed.json"}, 1},
		{[]string{"status_error.json"}, 2},
		{[]string{"status_unknown.json"}, 0},
		{[]string{"data_type_store.json"}, 20},
		{[]string{"data_type_scratch.json"}, 9},
		{[]string{"data_type_archive.json"}, 9},
		{[]string{"data_type_users.json"}, 3},
		{[]string{"system_vast.json"}, 14},
		{[]string{"empty.json"}, 0},
	} {
		items, err := fromFiles(c.files...)
		if err != nil || len(items) != c.want {
			t.Errorf("%v: %d items, want %d; %v", c.files, len(items), c.want, err)
		}
		for _, it := range items {
			if it.Problem != "" {
				t.Errorf("%v: %+v: %s", c.files, it.Key, it.Problem)
			}
		}
	}
}

// TestSavedPagesAreTheListing: the nine pages, in any order, have the items of the full listing.
func TestSavedPagesAreTheListing(t *testing.T) {
	full, err := fromFiles("mini.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := 9; n >= 1; n-- {
		names = append(names, "mini_page"+strconv.Itoa(n)+".json")
	}
	paged, err := fromFiles(names...)
	if err != nil {
		t.Fatal(err)
	}
	byKey := func(a, b planner.Item) int { return a.Key.Compare(b.Key) }
	slices.SortFunc(full, byKey)
	slices.SortFunc(paged, byKey)
	for i := range full {
		if full[i].Key != paged[i].Key || full[i].MountPath != paged[i].MountPath {
			t.Errorf("%+v, %+v", full[i], paged[i])
		}
	}
}

func TestSavedListingsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		err   string
	}{
		{"no file", nil, "no file is given"},
		{"one page of many", []string{"mini_page3.json"}, "mini_page3.json has 5 of 41 resources: give " +
			"all pages"},
		{"page size 1", []string{"auth_200_ok.json"}, "auth_200_ok.json has 1 of 41 resources: give " +
			"all pages"},
		{"page beyond the end", []string{"mini_page_beyond.json"}, "mini_page_beyond.json has 0 of 41 " +
			"resources: give all pages"},
		{"a page is missing", []string{"mini_page1.json", "mini_page2.json", "mini_page4.json"}, "page 3 of 9 is missing: the files have 15 of 41 resources"},
		{"a page twice", []string{"mini_page1.json", "mini_page2.json", "mini_page1.json"}, "mini_page1.json: it is page 1, and so is mini_page1.json"},
		{"two listings", []string{"mini_page1.json", "mini_page2.json", "status_pending.json"}, "status_pending.json: it is page 1, and so is mini_page1.json"},
		{"pages of two sizes", []string{"mini_page2.json", "mini.json"}, "mini.json: it has total 41 " +
			"in pages of 500, but mini_page2.json has total 41 in pages of 5"},
		{"not there", []string{"none.json"}, "none.json: no such file or directory"},
		{"error answer 401", []string{"auth_401_expired.json"}, "this is an error answer, not a " +
			"listing: Error while validating access token: Expired at 1795384963"},
		{"error answer 500", []string{"err_500_one_bad_resource.json"}, "An error occurred: 1 " +
			"validation error for ResourceLimits storage Input should be greater than or equal to 0"},
		{"error answer 422", []string{"err_422_page_0.json"}, "query.page: Input should be greater " +
			"than or equal to 1"},
		{"empty file", []string{"err_307_no_slash.txt"}, "it is empty"},
		{"another object", []string{"mini_ids.json"}, "status: missing"},
		{"another array", []string{"waldur_callbacks.json"}, "it is an array, but not of resources: " +
			"entry 1: itemId: missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			items, err := fromFiles(c.files...)
			if err == nil || !strings.Contains(err.Error(), c.err) || items != nil {
				t.Errorf("%d items, error %v\nwant %s", len(items), err, c.err)
			}
		})
	}
}

// TestEveryErrorAnswerIsRefused: no error answer of the real proxy is mistaken for a listing, and
// its text is shown.
func TestEveryErrorAnswerIsRefused(t *testing.T) {
	var names []string
	for _, pattern := range []string{"err_*.json", "auth_4*.json"} {
		found, err := filepath.Glob(filepath.Join("testdata", "responses", pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 20 {
		t.Fatalf("only %d error answers", len(names))
	}
	for _, n := range names {
		_, err := NewFiles([]string{n}, nil, nil).List(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), "this is an error answer, not a listing: ") {
			t.Errorf("%s: %v", n, err)
		}
	}
}

func fromStdin(t *testing.T, text string) ([]planner.Item, error) {
	t.Helper()
	return NewFiles([]string{"-"}, strings.NewReader(text), nil).List(context.Background(), nil)
}

func TestSavedArray(t *testing.T) {
	items, err := fromStdin(t, "\n ["+goodItem+`,{"itemId":7}]`)
	if err != nil || len(items) != 2 || items[0].Problem != "" || items[1].Problem != "entry 2: itemId: want a string, got a number" {
		t.Errorf("%+v, %v", items, err)
	}
	if items, err = fromStdin(t, "[]"); err != nil || len(items) != 0 {
		t.Errorf("%+v, %v", items, err)
	}
	many := "[" + strings.Repeat(goodItem+",", 700) + goodItem + "]"
	if _, err = fromStdin(t, many); err == nil || !strings.Contains(err.Error(), "is listed twice") {
		t.Error(err)
	}
	for _, bad := range []string{"[" + goodItem, "[" + goodItem + "] []", "", "<html>", "[" +
		goodItem + "," + goodItem[:300]} {
		if items, err := fromStdin(t, bad); err == nil {
			t.Errorf("%.40q: %d items", bad, len(items))
		}
	}
}

func TestArrayIsTheOnlyFile(t *testing.T) {
	array := filepath.Join(t.TempDir(), "array.json")
	if err := os.WriteFile(array, []byte("["+goodItem+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := NewFiles([]string{array, responsePaths("mini.json")[0]}, nil,
		nil).List(context.Background(), nil)
	if err == nil || !strings.Contains(err.Error(), "array.json: an array of resources must be the "+
		"only file") {
		t.Error(err)
	}
}

func TestStdinTwice(t *testing.T) {
	_, err := NewFiles([]string{"-", "x", "-"}, strings.NewReader(""), nil).List(context.Background(),
		nil)
	if err == nil || !strings.Contains(err.Error(), "stdin (-) is given twice") {
		t.Error(err)
	}
}

// TestPagesWithADouble: an item on two saved pages shows that something changed between them.
func TestPagesWithADouble(t *testing.T) {
	dir := t.TempDir()
	page := func(n, total string) string {
		return `{"status":"success","resources":[` + goodItem + `],"pagination":{"current":` + n +
			`,"limit":1,"total":` + total + `}}`
	}
	var paths []string
	for _, n := range []string{"1", "2"} {
		p := filepath.Join(dir, n)
		if err := os.WriteFile(p, []byte(page(n, "2")), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	_, err := NewFiles(paths, nil, nil).List(context.Background(), nil)
	if err == nil || !strings.Contains(err.Error(), "is listed twice, because it changed while the "+
		"pages were saved") {
		t.Error(err)
	}
}

// TestStatusesOfFiles: the filter omits items with other statuses, but no item whose status could
// not be read.
func TestStatusesOfFiles(t *testing.T) {
	odd := strings.Replace(strings.Replace(goodItem, `"storageDataType":{"key":"store"}`,
		`"storageDataType":{"key":"odd"}`, 1), `"active","mountPoint"`, `"odd","mountPoint"`, 1)
	src := NewFiles([]string{"-"}, strings.NewReader("["+goodItem+","+odd+"]"), nil)
	items, err := src.List(context.Background(), []planner.Status{planner.StatusRemoving})
	if err != nil || len(items) != 1 ||
		!strings.Contains(items[0].Problem, `status: unknown value "odd"`) {
		t.Errorf("%+v, %v", items, err)
	}
}

func TestNameOfFiles(t *testing.T) {
	if n := NewFiles([]string{"1", "2", "3", "4", "/a/5.json"}, nil, nil).Name(); n != "5 files, 1 to 5.json" {
		t.Error(n)
	}
	if n := NewFiles([]string{"/a/b/page1.json", "-"}, nil, nil).Name(); n != "page1.json, stdin" {
		t.Error(n)
	}
}
