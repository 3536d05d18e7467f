package scan

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Text returns the report for a terminal.
func (r *Report) Text() []byte {
	var b bytes.Buffer
	for i := range r.Systems {
		r.system(&b, &r.Systems[i])
	}
	b.WriteString("A scan proposes nothing. What no resource wants may be wanted by people.\n")
	return b.Bytes()
}

func (r *Report) system(b *bytes.Buffer, s *System) {
	fmt.Fprintf(b, "%s: %s no resource wants, %s nobody claims\n", render.Quote(s.Name),
		counted(s.Directories, "directory that", "directories that"),
		counted(s.Quotas, "quota that", "quotas that"))
	for _, p := range s.Problems {
		fmt.Fprintf(b, "  Not seen: %s\n", render.Escape(p))
	}
	listed := 0
	for i := range r.Directories {
		if x := &r.Directories[i]; x.System == s.Name {
			listed++
			fmt.Fprintf(b, "  %s\n    %s\n", render.Quote(x.Path), x.Words(r.Made))
		}
	}
	more(b, s.Directories-listed, "directories")
	if s.Looked != "" {
		fmt.Fprintf(b, "  Quotas looked at: %s\n", s.Looked)
	}
	listed = 0
	for i := range r.Quotas {
		if q := &r.Quotas[i]; q.System == s.Name {
			listed++
			fmt.Fprintf(b, "  %s\n    %s\n", q.Name(), q.Words())
		}
	}
	more(b, s.Quotas-listed, "quotas")
	b.WriteString("\n")
}

func more(b *bytes.Buffer, n int, what string) {
	if n > 0 {
		fmt.Fprintf(b, "  … and %s more %s\n", planner.Commas(uint64(n)), what)
	}
}

// Words says whose a directory is, how old and how large it is.
func (x *Stray) Words(now time.Time) string {
	if x.Owner == nil {
		return "could not be looked at: " + render.Escape(x.Problem)
	}
	parts := []string{fmt.Sprintf("owner %d, group %d, mode %s", *x.Owner, *x.Group, *x.Mode)}
	if x.Made != nil {
		parts = append(parts, "made "+age(now, *x.Made))
	}
	if x.Modified != nil {
		parts = append(parts, "changed "+age(now, *x.Modified))
	}
	parts = append(parts, usage(x.Space, x.Inodes, x.Note))
	if x.Was != "" {
		parts = append(parts, "it was "+render.Quote(x.Was))
	}
	return strings.Join(parts, "; ")
}

// age returns a day, and how long ago that was.
func age(now, t time.Time) string {
	day := t.Format("2006-01-02")
	if days := int(now.Sub(t) / (24 * time.Hour)); days > 0 {
		return day + " (" + planner.Count(days, "day") + " ago)"
	}
	return day
}

func usage(space *planner.Bytes, inodes *planner.Inodes, note string) string {
	if space == nil {
		return "size unknown: " + render.Escape(note)
	}
	text := space.Rounded()
	if inodes != nil {
		text += ", " + planner.Count(int(*inodes), "file")
	}
	return text
}

// Name names the quota, for a sentence.
func (q *Quota) Name() string {
	if q.Path != "" {
		return "quota of directory " + render.Quote(q.Path)
	}
	return fmt.Sprintf("quota of %s %d", q.By, q.ID)
}

// Words says what the quota limits, and what is used of that.
func (q *Quota) Words() string {
	if q.Problem != "" {
		return "could not be read: " + render.Escape(q.Problem)
	}
	var parts []string
	for _, of := range planner.Quantities() {
		for _, a := range []planner.Attribute{of.Soft, of.Hard} {
			if _, set := q.Limits[a].Number(); set {
				parts = append(parts, a.String()+" "+q.Limits.Show(a))
			}
		}
	}
	return strings.Join(append(parts, "used "+usage(q.Space, q.Inodes, "it could not be read")), "; ")
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return planner.Commas(uint64(n)) + " " + many
}
