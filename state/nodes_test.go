package state

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

func TestNodesOfAFile(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Nodes(t.Context(), "mgmt1")
	if err != nil {
		t.Fatal(err)
	}
	if want := "The state " + s.File() + " is used by this node only.\n"; n.Text() != want {
		t.Errorf("the text is %q, want %q", n.Text(), want)
	}
	shown, err := json.Marshal(n)
	want := `{"state":"` + s.File() + `","this_node":"mgmt1","node":"","loops":[]}`
	if err != nil || string(shown) != want {
		t.Errorf("%v: the JSON is %s, want %s", err, shown, want)
	}
}

// What other nodes report about themselves is escaped before it is shown on a terminal.
func TestNodesText(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later := at.Add(time.Minute)
	n := &Nodes{State: "postgres alps", Shared: true}
	if text := n.Text(); text != "No node holds the state postgres alps: the next apply takes it.\n"+
		"No loop is running: start cscs-sync.service.\n" {
		t.Errorf("nobody: %s", text)
	}
	n.Node, n.Who, n.Since, n.Until = "mgmt1", "root\x1b[2J", &at, &later
	n.Loops = loopsOf([]kv.Member{
		{Claim: kv.Claim{Node: "mgmt1"}, Config: "sha256:" + strings.Repeat("a", 64), Leads: true,
			Since: at},
		{Claim: kv.Claim{Node: "mgmt2"}, Config: "sha256:" + strings.Repeat("b", 64), Since: at},
		{Claim: kv.Claim{Node: "mgmt3"}, Config: "sha256:" + strings.Repeat("a", 64), Until: at,
			Expired: true},
	})
	text := n.Text()
	for _, want := range []string{
		"Node mgmt1 has held the state postgres alps since 2026-03-01 12:00 UTC, by root\\x1b[2J, and " +
			"renews that before 2026-03-01T12:01:00Z.\n",
		"Loop of node mgmt1: has led since 2026-03-01T12:00:00Z, configuration ",
		"Loop of node mgmt2: has stood by since ",
		". It differs from the leader's: make both the same and reload.\n",
		"Loop of node mgmt3: not heard of since 2026-03-01T12:00:00Z",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Count(text, "differs") != 1 || strings.Contains(text, "\x1b") {
		t.Errorf("the text is\n%s", text)
	}
	n.Expired = true
	if text := n.Text(); !strings.Contains(text, "cscs-sync state fence --node mgmt1 --reason TEXT") {
		t.Errorf("expired: %s", text)
	}
}
