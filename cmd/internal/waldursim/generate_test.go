package waldursim

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The same numbers give the same listing on all pages of every server.
func TestGenerateIsRepeatable(t *testing.T) {
	read := func() (pages []string) {
		s, srv := start(t, Options{WaldurURL: "http://w/api"})
		if err := s.Generate(1000, 10); err != nil {
			t.Fatal(err)
		}
		for page := 1; page <= 3; page++ {
			pages = append(pages, string(list(t, srv.URL, fmt.Sprintf("?page_size=500&page=%d", page)).body))
		}
		return pages
	}
	if diff := cmp.Diff(read(), read()); diff != "" {
		t.Error(diff)
	}
}

// The result of --resources is varied, and nothing in it prevents a plan: no path occurs twice, and
// no GID occurs twice on one system.
func TestGenerated(t *testing.T) {
	s, srv := start(t, Options{})
	if err := s.Generate(3000, 10); err != nil {
		t.Fatal(err)
	}
	paths, claims, statuses, kinds := map[string]bool{}, map[string]bool{}, map[string]int{}, map[OrderType]int{}
	for _, r := range s.State() {
		claim := fmt.Sprint(r.Offering, *r.GID)
		if paths[r.Path] || claims[claim] {
			t.Errorf("twice: %s %s", r.Path, claim)
		}
		paths[r.Path], claims[claim] = true, true
		statuses[r.Offering+" "+r.Status]++
		for _, o := range r.Orders {
			kinds[o.Type]++
		}
	}
	if len(statuses) != 3*6 || len(kinds) != 3 {
		t.Errorf("statuses %v, orders %v", statuses, kinds)
	}
	if n := kinds[Create] + kinds[Update] + kinds[Terminate]; n < 280 || n > 300 {
		t.Errorf("%d orders of 3000 resources, want about 300", n)
	}
	if all := entries(t, srv.URL, "?page_size=500&status=removed"); len(all) != 15 {
		t.Errorf("%d removed, want 15", len(all))
	}
}

// The first page after a change of one resource costs little, even in a long listing.
func BenchmarkPageAfterChange(b *testing.B) {
	s := New(Options{})
	if err := s.Generate(100_000, 10); err != nil {
		b.Fatal(err)
	}
	q := query{page: 100, size: 500}
	for b.Loop() {
		s.model.touch(s.model.resources[0])
		if rep := s.page(q, s.listed(q.filter), "http://w/api/"); rep.status != 200 {
			b.Fatal(rep.status)
		}
	}
}
