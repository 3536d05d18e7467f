package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
)

// TestStatusPageOfTheLoop: a running loop shows what waits for a person, with a link to the plan's page and the command that
// approves it; its rounds; and the report of its last audit. What is no page of its own is not found.
func TestStatusPageOfTheLoop(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.create("first", 30500)
	s.start()
	s.until("serving", s.says("listen="))
	s.until("a held plan on the page", s.answers("/", "<strong>1</strong> held plan<"))
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

// TestQuarantineOnTheStatusPage: what fails again and again is shown, with the storage's words and the next try; and it goes
// when it worked.
func TestQuarantineOnTheStatusPage(t *testing.T) {
	t.Parallel()
	s := newService(t, quick)
	s.create("first", 30500)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
	s.create("second", 30501)
	s.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	s.start()
	s.until("serving", s.says("listen="))
	s.until("a failure on the page", s.answers("/", "What failed, and waits for its next try"))
	s.until("quarantine on the page", s.answers("/", "in quarantine, failed 3 times: "))
	page := s.ask("/")
	for _, want := range []string{"/capstor/store/cscs/eth/second", "next try 20", "nput/output error"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	s.lfsMended()
	s.check(s.cmd.Process.Signal(syscall.SIGHUP)) // tries at once what failed before
	s.until("a page without failures", func() bool { return !strings.Contains(s.ask("/"), "in quarantine") })
	s.stops()
}
