package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// TestSizesOfArchived: a size is given only if a quota counts nothing else. Otherwise the report
// says why there is none.
func TestSizesOfArchived(t *testing.T) {
	in := site()
	in.Systems = []planner.System{{Name: "capstor"},
		{Name: "vast", Traits: planner.Traits{FollowsRename: true}}, {Name: "flat"}}
	in.Mounts["vast"], in.Mounts["flat"] = planner.Mount{Filesystem: "nfs"},
		planner.Mount{Filesystem: "nfs2"}
	in.Mounts["capstor"] = planner.Mount{Filesystem: ""}
	in.Archived = nil
	add := func(name, system string, by planner.QuotaBy, id uint32) {
		in.Archived = append(in.Archived, planner.Archived{Address: "/" + name, System: system,
			Storage: system + "/" + name, Archive: system + "/.trash/" + name, QuotaBy: by,
			QuotaID: id, Until: in.Now.Add(time.Duration(len(in.Archived)) * time.Hour)})
	}
	add("follows", "vast", planner.ByDirectory, 0)
	add("stays", "flat", planner.ByDirectory, 0)
	add("own", "vast", planner.ByProject, 70)
	add("twice1", "vast", planner.ByProject, 71)
	add("twice2", "vast", planner.ByProject, 71)
	add("lived on", "vast", planner.ByProject, 72)
	add("none", "vast", "", 0)
	add("elsewhere", "capstor", planner.ByGroup, 1)
	add("group", "vast", planner.ByGroup, 73)
	in.Quotas = append(in.Quotas, planner.QuotaView{System: "vast",
		Subject: planner.Subject{Filesystem: "nfs", By: planner.ByProject, ID: 72},
		Keys:    []planner.Key{{Item: "x"}}})
	targets := ArchiveTargets(&in)
	if len(targets) != 4 || targets[0].Subject.Path != "vast/.trash/follows" {
		t.Fatalf("%+v", targets)
	}
	in.ArchiveStates = map[planner.Subject]planner.QuotaState{}
	for _, x := range targets {
		in.ArchiveStates[x.Subject] = planner.QuotaState{
			Space: planner.UsageOf(planner.Bytes(5 * tib))}
	}
	r := New(in)
	for i, want := range []string{"", "stayed where it was", "", "counts several of these",
		"counts several of these", "counts a resource, too", "it had no quota",
		"could not be looked at", "all that group 73 owns"} {
		a := r.Archived[i]
		known := a.Space != nil
		if known != (want == "" || strings.HasPrefix(want, "all")) ||
			!strings.Contains(a.Note, want) {
			t.Errorf("%s: %v, %q; want %q", a.Address, a.Space, a.Note, want)
		}
	}
	if text := string(r.Text()); !strings.Contains(text,
		"9 archived (1 past retention): 15 TiB in 3, and 6 of unknown size.") {
		t.Error(text)
	}
}

// TestDoneByApprover: what was done counts by action, for each approver. Failures do not count, and
// neither do approvals from before the period for another plan with the same id that ended in it.
func TestDoneByApprover(t *testing.T) {
	now := site().Now
	key := func(n int) planner.Key { return planner.Key{Item: fmt.Sprint(n)} }
	changed := []ledger.Changed{{Key: key(1), Action: planner.Create},
		{Key: key(2), Action: planner.Archive}, {Key: key(3), Action: planner.Archive}}
	steps := []ledger.Step{{Key: key(1), Name: ledger.StepDone}, {Key: key(2), Name: "failed"},
		{Key: key(3), Name: ledger.StepDone}}
	old := now.Add(-Period - time.Hour)
	history := []ledger.Entry{
		{Time: old, Event: ledger.EventBegin, Plan: "a", Changed: changed[:2],
			Approvals: []ledger.Approval{{Name: "anna", Kind: "signed"}, {Name: "ben", Kind: "signed"}}},
		{Time: old, Event: ledger.EventChanges, Plan: "a", Changed: changed[2:]},
		{Time: now, Event: ledger.EventJournal, Plan: "a", Steps: steps[:1]},
		{Time: now, Event: ledger.EventFinish, Plan: "a", Steps: steps[1:]},
		{Time: now, Event: ledger.EventBegin, Plan: "a", Changed: changed[:1],
			Approvals: []ledger.Approval{{Name: "policy", Kind: "policy"}}},
		{Time: now, Event: ledger.EventFinish, Plan: "a", Steps: steps[:1]},
	}
	got := byApprover(changes(history, now))
	want := "[{anna (signed) map[archive:1 create:1] 1} {ben (signed) map[archive:1 create:1] 1} " +
		"{policy (policy) map[create:1] 1}]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
}

// TestHeldAndUnmanaged: both are in every format, and hostile names stay text.
func TestHeldAndUnmanaged(t *testing.T) {
	in := site()
	in.Systems = []planner.System{{Name: "capstor", Overcommit: 1100}}
	in.Held = []Held{{Plan: "sha256:1", Name: "brave-otter", Since: in.Now, Summary: "1 to archive",
		Danger: []planner.Danger{planner.DangerArchive}, Because: []string{"<b>archives</b>"}}}
	owner, group, mode, size := planner.UID(0), planner.GID(7), "0755", planner.Bytes(3*tib)
	in.Scan = &scan.Report{Made: in.Now, Systems: []scan.System{{Name: "capstor", Directories: 5,
		Quotas: 1, Problems: []string{"<script>"}}},
		Directories: []scan.Stray{{System: "capstor", Path: "capstor/\x1b[2J\xff<script>",
			Owner: &owner, Group: &group, Mode: &mode, Space: &size}},
		Quotas: []scan.Quota{{System: "capstor", By: planner.ByGroup, ID: 9,
			Limits: &planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(tib))}}}}
	r := New(in)
	html, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"brave-otter", "1 to archive [ARCHIVES DATA]",
		"&lt;b&gt;archives", "3 TiB", "quota of group 9", "and 4 more", "Not seen: &lt;script&gt;",
		"more than overcommit allows", `id="unmanaged"`, `href="#unmanaged"`, `href="#held"`} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if bytes.ContainsAny(html, "\x1b") || bytes.Contains(html, []byte("<script")) {
		t.Error("a name acts in the page")
	}
	text := string(r.Text())
	for _, want := range []string{"1 held plan", "more than overcommit = 1.1 allows",
		`"capstor/\x1b[2J\xff<script>"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	for name, part := range map[string]func(map[string]json.RawMessage) []byte{
		"report": func(map[string]json.RawMessage) []byte { return data },
		"scan":   func(m map[string]json.RawMessage) []byte { return m["unmanaged"] }} {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		schema, err := compiler.Compile("../../docs/schema/" + name + "-1.0.schema.json")
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(part(m)))
		if err != nil {
			t.Fatal(err)
		}
		if name == "report" {
			if err := schema.Validate(document); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if document.(map[string]any)["directories"] == nil {
			t.Error("the scan is not in the report")
		}
	}
}
