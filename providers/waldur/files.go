package waldur

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// maxArrayBytes is the largest size of a file with a bare array of resources; 100,000 of them have
// about 125 MB.
const maxArrayBytes = 1 << 30

// maxNamed is how many files Name lists one by one.
const maxNamed = 4

// files is a source that reads a saved listing.
type files struct {
	paths []string
	stdin io.Reader
	tell  providers.Progress
}

// NewFiles returns a source that reads saved answers of the proxy. This is one complete answer, or
// all pages of one listing in any order, each in its own file or several in a JSON array. If there
// is only one file, it may also be a JSON array of resources; nothing then shows whether it is
// complete. The path "-" is stdin. A listing with a missing page is refused. tell, if not nil, is
// called after each file.
func NewFiles(paths []string, stdin io.Reader, tell providers.Progress) engine.Source {
	return &files{paths: paths, stdin: stdin, tell: tell}
}

// Name implements [engine.Source]. If there are many files, it names only the first and the last.
func (f *files) Name() string {
	if n := len(f.paths); n > maxNamed {
		return fmt.Sprintf("%d files, %s to %s", n, fileName(f.paths[0]), fileName(f.paths[n-1]))
	}
	names := make([]string, 0, len(f.paths))
	for _, p := range f.paths {
		names = append(names, fileName(p))
	}
	return strings.Join(names, ", ")
}

func fileName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return web.Printable(filepath.Base(path))
}

// List implements [engine.Source]. It omits items with other statuses, but never an item whose
// status cannot be read. Stdin can be read only once.
func (f *files) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	items, err := f.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read saved resources: %w", err)
	}
	if len(statuses) > 0 {
		items = slices.DeleteFunc(items, func(it planner.Item) bool {
			return it.Status != "" && !slices.Contains(statuses, it.Status)
		})
	}
	return items, nil
}

func (f *files) read(ctx context.Context) ([]planner.Item, error) {
	if len(f.paths) == 0 {
		return nil, errors.New("no file is given: name the files with saved responses")
	}
	if i := slices.Index(f.paths, "-"); i >= 0 && slices.Contains(f.paths[i+1:], "-") {
		return nil, errors.New("stdin (-) is given twice: give it once")
	}
	s := saved{parser: newParser(), pages: map[int]string{}}
	var buf bytes.Buffer
	for _, path := range f.paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := f.load(path, &buf)
		if err == nil {
			err = s.add(fileName(path), buf.Bytes(), len(f.paths) == 1)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fileName(path), err)
		}
		if f.tell != nil {
			f.tell(listingWork, len(s.items), s.first.Total)
		}
	}
	return s.items, s.complete()
}

// load reads one file into buf, which it reuses for the next file.
func (f *files) load(path string, buf *bytes.Buffer) error {
	from := f.stdin
	if path != "-" {
		file, err := os.Open(path)
		var at *fs.PathError
		if errors.As(err, &at) {
			return at.Err // the caller names the file
		}
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	buf.Reset()
	if _, err := buf.ReadFrom(io.LimitReader(from, maxArrayBytes+1)); err != nil {
		return err
	}
	if buf.Len() > maxArrayBytes {
		return fmt.Errorf("longer than %d MiB", maxArrayBytes>>20)
	}
	return nil
}

// saved collects the pages of a listing.
type saved struct {
	parser *parser
	items  []planner.Item
	first  listingPage
	// firstName is the name of first's file. pages are the names of the files, by page.
	firstName string
	pages     map[int]string
	// whole is set after an array was read, which has no pages.
	whole bool
}

// add parses one file. only reports whether it is the only one.
func (s *saved) add(name string, text []byte, only bool) error {
	start := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case len(start) == 0:
		return errors.New("it is empty")
	case web.IsHTML(start):
		return errors.New("it is an HTML page, not JSON")
	case start[0] == '[':
		pages, err := s.parser.pagesIn(text)
		switch {
		case err != nil:
			return err
		case len(pages) > 0:
			return s.addPages(name, pages)
		case !only:
			return errors.New("an array of resources must be the only file: for several files, save each " +
				"page as the proxy answered it")
		}
		return s.addArray(text)
	}
	return s.addPage(name, text)
}

// addPages parses the pages in an array, such as `jq -s . page*.json` writes.
func (s *saved) addPages(name string, pages [][]byte) error {
	for i, page := range pages {
		if err := s.addPage(fmt.Sprintf("entry %d of %s", i+1, name), page); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *saved) addPage(name string, text []byte) error {
	page, err := s.parser.page(s.items, text)
	if err != nil {
		return err
	}
	if other, twice := s.pages[page.Current]; twice {
		return fmt.Errorf("it is page %d, and so is %s: give each page of one listing once", page.Current,
			other)
	}
	if len(s.pages) == 0 {
		s.first, s.firstName = page, name
		page.Items = slices.Grow(page.Items, min(max(page.Total-len(page.Items), 0), maxReserved))
		s.first.Items = nil
	}
	if page.Total != s.first.Total || page.Limit != s.first.Limit {
		return fmt.Errorf("it has total %d in pages of %d, but %s has total %d in pages of %d: give "+
			"the pages of one listing", page.Total, page.Limit, s.firstName, s.first.Total, s.first.Limit)
	}
	s.pages[page.Current] = name
	s.items = page.Items
	return nil
}

func (s *saved) addArray(text []byte) error {
	items, err := s.parser.array(text)
	if err != nil {
		return err
	}
	readable := func(it planner.Item) bool { return it.Key.Item != "" }
	if len(items) > 0 && !slices.ContainsFunc(items, readable) {
		return fmt.Errorf("it is an array, but not of resources: %s", items[0].Problem)
	}
	s.items, s.whole = items, true
	return nil
}

// complete returns an error if the listing lacks an item, or has one twice.
func (s *saved) complete() error {
	if !s.whole && len(s.items) != s.first.Total {
		if len(s.pages) == 1 {
			return fmt.Errorf("%s has %d of %d resources: give all pages", s.firstName, len(s.items),
				s.first.Total)
		}
		for n := 1; n <= s.first.Pages(); n++ {
			if s.pages[n] == "" {
				return fmt.Errorf("page %d of %d is missing: the files have %d of %d resources", n,
					s.first.Pages(), len(s.items), s.first.Total)
			}
		}
		return fmt.Errorf("the files have %d resources, but the listing has %d", len(s.items),
			s.first.Total)
	}
	var same doubles
	for i := range s.items {
		if key := s.items[i].Key; key.Item != "" && same.first(s.items, i) != i {
			return fmt.Errorf("%s is listed twice, because it changed while the pages were saved: save "+
				"them again", keyText(key))
		}
	}
	return nil
}
