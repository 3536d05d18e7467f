package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestStatusPageOfTheLoop: a running loop shows what waits for a person, with a link to the plan's page and the command that
// approves it; its rounds; and the report of its last audit. What is no page of its own is not found.
func TestStatusPageOfTheLoop(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.create("first", 30500)
	s.start()
	s.until("serving", s.says("listen="))
	s.until("a held plan on the page", s.answers("/", "<strong>1</strong> held plans"))
	s.until("a round on the page", s.answers("/", "all_held"))
	link := regexp.MustCompile(`href="(/plans/([0-9a-f]{12}))"`).FindStringSubmatch(s.ask("/"))
	if link == nil || !strings.Contains(s.ask("/"), "cscs-sync held approve "+link[2]) {
		t.Fatalf("the page names no plan:\n%s", s.ask("/"))
	}
	if plan := s.ask(link[1]); !strings.Contains(plan, "/capstor/store/cscs/eth/first") || !strings.Contains(plan, "How to check this plan") {
		t.Errorf("the page of the plan:\n%.2000s", plan)
	}
	s.until("a report", s.answers("/report", "<h1>Storage report</h1>"))
	for _, path := range []string{"/plans/000000000000", "/plans/../state", "/state.db"} {
		if text := s.ask(path); !strings.HasPrefix(text, "404") {
			t.Errorf("%s: %.200s", path, text)
		}
	}
	s.stops()
}
