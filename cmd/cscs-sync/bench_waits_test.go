package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// benchCost is what a page costs the real proxy for each resource: about 3 s at 10,000.
const benchCost = 300 * time.Microsecond

// BenchmarkPlanProxy is a plan of 10,000 resources of three systems, from a proxy that takes its
// time, against one listing of everything.
func BenchmarkPlanProxy(b *testing.B) {
	s := newService(b, "")
	s.sim = waldursim.New(waldursim.Options{Cost: benchCost})
	s.check(s.sim.Generate(10_000, 1))
	server := httptest.NewServer(s.sim)
	b.Cleanup(server.Close)
	s.edit(s.url+"/api/storage-resources/", server.URL+"/api/storage-resources/")
	var p pairs
	for i := 0; b.Loop(); i++ {
		if i > 0 {
			continue // one pair takes a minute and a half, most of which is sleep
		}
		start := time.Now()
		listWhole(b, server.URL)
		whole := usage{wall: time.Since(start)}
		ours := measure(b, "cscs-sync", "plan", "--compact", "--config", s.dir+"/cscs-sync.hcl")
		if !strings.Contains(ours.out, "Plan: ") {
			b.Fatalf("no plan:\n%.2000s", ours.out)
		}
		p.add(whole, ours)
	}
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.wall }), "x-listing")
	b.ReportMetric(p.best(func(u usage) time.Duration { return u.wall }).Seconds(), "s/plan")
}

// listWhole reads all pages of a listing, and forgets them.
func listWhole(b *testing.B, url string) {
	b.Helper()
	for page, more := 1, true; more; page++ {
		q, err := http.NewRequestWithContext(b.Context(), http.MethodGet,
			fmt.Sprintf("%s/api/storage-resources/?page_size=500&page=%d", url, page), nil)
		if err != nil {
			b.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+waldursim.DefaultProxyToken)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			b.Fatal(err)
		}
		var body struct {
			Pagination struct {
				HasNext bool `json:"has_next"`
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("page %d: %s: %v", page, answer.Status, err)
		}
		more = body.Pagination.HasNext
	}
}

// BenchmarkOrderToDone is how long a customer waits: from the moment at which Waldur has an order
// until it is done, with a loop that asks every two seconds. Orders come at any time between two
// rounds.
func BenchmarkOrderToDone(b *testing.B) {
	const orders = 20
	s := newService(b, `
auto_approve {
  allow       = ["create"]
  max_changes = 100
}
`)
	s.create("first", 30500)
	s.settle() // before a person has approved a plan, the policy approves none
	s.start("--interval", "2s")
	var waited []time.Duration
	for b.Loop() {
		for i := range orders {
			time.Sleep(time.Duration(i*2000/orders) * time.Millisecond)
			waited = append(waited, s.waitsFor(b, fmt.Sprintf("p%d", len(waited))))
		}
	}
	slices.Sort(waited)
	b.ReportMetric(waited[len(waited)/2].Seconds(), "s-median")
	b.ReportMetric(waited[len(waited)*95/100].Seconds(), "s-p95")
}

// waitsFor orders a project's storage, and returns how long that took.
func (s *service) waitsFor(b *testing.B, project string) time.Duration {
	b.Helper()
	start := time.Now()
	r, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: project,
		DataType: "store", Limits: map[string]any{"storage": 10}, Order: &waldursim.OrderSpec{}})
	s.check(err)
	for time.Since(start) < time.Minute {
		v, err := s.sim.Resource(r.UUID)
		s.check(err)
		if v.Orders[0].State == waldursim.Done {
			return time.Since(start)
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.Fatalf("the order of %s was not done within a minute:\n%s", project, s.log())
	return 0
}
