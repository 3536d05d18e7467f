package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/page/pagetest"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

const tib = plantest.TiB

// state returns a quota with a hard limit for space and one for files, and the usage.
func state(hard, used, files, filesUsed uint64) *planner.QuotaState {
	s := &planner.QuotaState{Limits: planner.NoLimits(),
		Space:  planner.UsageOf(planner.Bytes(used)),
		Inodes: planner.UsageOf(planner.Inodes(filesUsed))}
	s.Limits[planner.SpaceHard],
		s.Limits[planner.InodesHard] = planner.LimitOf(planner.Bytes(hard)),
		planner.LimitOf(planner.Inodes(files))
	return s
}

// site is a site with one resource in each state, and one quota that two resources share.
func site() Input {
	in := Input{Plan: plantest.Mixed(), Now: plantest.Made(), Mounts: map[string]planner.Mount{
		"capstor":  {Filesystem: "lustre", Capacity: 100 * tib, Free: 40 * tib},
		"iopsstor": {Unknown: "/iopsstor does not answer"},
	}}
	add := func(name string, group uint32, s *planner.QuotaState) {
		k := planner.Key{Item: name, System: "capstor"}
		address := "/capstor/store/cscs/eth/" + name
		in.Views = append(in.Views, planner.View{Key: k, Address: address,
			Target: planner.TargetProject, System: "capstor", Parent: "/capstor/store/cscs/eth",
			Managed: true})
		for i := range in.Quotas {
			if in.Quotas[i].Subject.ID == group {
				in.Quotas[i].Keys = append(in.Quotas[i].Keys, k)
				return
			}
		}
		in.Quotas = append(in.Quotas, planner.QuotaView{System: "capstor",
			Subject: planner.Subject{By: planner.ByGroup, ID: group}, Keys: []planner.Key{k},
			State: s})
	}
	in.Views = append(in.Views,
		planner.View{Address: "/capstor/store/cscs", Target: planner.TargetTenant,
			System: "capstor", Managed: true},
		planner.View{Address: "/capstor/store/cscs/eth", Target: planner.TargetCustomer,
			System: "capstor", Parent: "/capstor/store/cscs", Managed: true})
	add("over", 1, state(10*tib, 11*tib, 100, 1))
	add("files", 2, state(10*tib, 5*tib, 100, 100))
	add("near", 3, state(10*tib, 9*tib, 100, 1))
	add("usual", 4, state(10*tib, 5*tib, 100, 1))
	add("idle", 5, state(60*tib, tib, 100, 1))
	grace := state(20*tib, 15*tib, 100, 1)
	grace.Limits[planner.SpaceSoft] = planner.LimitOf(planner.Bytes(10 * tib))
	grace.SetEnds(planner.Grace{Space: in.Now.Add(time.Hour)})
	add("grace", 6, grace)
	add("shared1", 7, state(tib, tib/2, 100, 1))
	add("shared2", 7, nil)
	unseen := planner.UnknownQuota("the MDT does not answer")
	add("unseen", 8, &unseen)
	add("free", 9, &planner.QuotaState{Limits: unlimited(),
		Space: planner.UsageOf(planner.Bytes(1))})
	in.Archived = []planner.Archived{{Address: "/capstor/old", Archive: "capstor/.trash/1",
		At: in.Now, Until: in.Now.Add(-time.Hour)}}
	in.Holds = []planner.Hold{{Glob: "/capstor/**", Reason: "maintenance", By: "anna"}}
	in.History = []ledger.Entry{
		{Seq: 1, Time: in.Now.Add(-40 * 24 * time.Hour), Event: ledger.EventFinish,
			Plan: "sha256:old"},
		{Seq: 2, Time: in.Now.Add(-time.Hour), Event: ledger.EventBegin,
			Plan:      "sha256:0123456789abcdef",
			Approvals: []ledger.Approval{{Name: "anna", Kind: "signed"}}},
		{Seq: 3, Time: in.Now, Event: ledger.EventFinish, Plan: "sha256:0123456789abcdef",
			Who: "root", Counts: map[string]int{"done": 3}},
	}
	return in
}

func unlimited() planner.Limits {
	l := planner.NoLimits()
	l[planner.SpaceHard], l[planner.InodesHard] = planner.Unlimited(), planner.Unlimited()
	return l
}

func TestStatesOfResources(t *testing.T) {
	r := New(site())
	got := map[string]State{}
	for _, x := range r.Resources {
		got[x.Address[strings.LastIndex(x.Address, "/")+1:]] = x.State
	}
	for name, want := range map[string]State{"over": Over, "files": Over, "near": Near,
		"usual": Usual, "idle": Idle, "grace": Grace,
		"shared1": Usual, "shared2": Usual, "unseen": Unknown, "free": Unknown} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// TestSumsCountAQuotaOnce: a quota that two resources share is promised once. An unknown limit is
// counted but not added.
func TestSumsCountAQuotaOnce(t *testing.T) {
	r := New(site())
	s := r.Systems[0]
	if s.Promised != 121*tib || s.Quotas != 9 || s.Unknown != 1 || s.Unlimited != 1 ||
		s.Resources != 10 || *s.Used != 60*tib || !s.overcommitted() {
		t.Errorf("%+v", s)
	}
	if s := r.Systems[1]; s.Capacity != nil || s.Problem != "/iopsstor does not answer" {
		t.Errorf("what is not known is %+v", s)
	}
	tree := r.tree()
	if tree.Promised != 121*tib || tree.Resources != 10 || len(tree.Branches) != 1 ||
		tree.Branches[0].Branches[0].Name != "/capstor/store/cscs/eth" {
		t.Errorf("%+v", tree)
	}
}

func TestChangesOfThePeriod(t *testing.T) {
	r := New(site())
	if len(r.Changes) != 1 || r.Changes[0].By != "root" ||
		fmt.Sprint(r.Changes[0].Approvers) != "[anna (signed)]" {
		t.Errorf("%+v", r.Changes)
	}
	if !r.Archived[0].Expired {
		t.Error("an archived directory past its retention is not said to be")
	}
}

func TestFormsOfAReport(t *testing.T) {
	r := New(site())
	pagetest.Check(t, reportTemplate, r.page())
	pagetest.Check(t, reportTemplate, (&Report{}).page())
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/report-1.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err == nil {
		err = schema.Validate(document)
	}
	if err != nil {
		t.Errorf("the JSON does not follow its schema: %v", err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil || len(back.Resources) != 10 {
		t.Errorf("the JSON is not read back: %v", err)
	}
	table, err := r.CSV()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(table))).ReadAll()
	if err != nil || len(lines) != 11 || lines[5][0] != "/capstor/store/cscs/eth/near" ||
		lines[5][7] != fmt.Sprint(10*tib) {
		t.Errorf("%v, %q", err, lines)
	}
	text := string(r.Text())
	for _, want := range []string{"121%, over-committed", "/iopsstor does not answer",
		"2 resources are over a limit", "1 resource is over a soft limit",
		"1 archived (1 past retention)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// TestOnDemand: the file has only quotas that belong to one user, in blocks of 1,024 bytes. 0 means
// that there is no limit.
func TestOnDemand(t *testing.T) {
	in := site()
	for i := range in.Views {
		v := &in.Views[i]
		v.Name = v.Address[strings.LastIndex(v.Address, "/")+1:]
		if name := v.Name; name == "near" || name == "free" || name == "shared1" ||
			name == "unseen" {
			v.Target = planner.TargetUser
		}
	}
	in.Quotas[len(in.Quotas)-1].State.Inodes = planner.UsageOf(planner.Inodes(0))
	data, err := New(in).OnDemand(in.Now)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version   int
		Timestamp int64
		Quotas    []map[string]any
	}
	if err := json.Unmarshal(data, &got); err != nil || got.Version != 1 ||
		got.Timestamp != in.Now.Unix() {
		t.Fatalf("%v, %+v", err, got)
	}
	want := "[map[block_limit:0 file_limit:0 path:/capstor/store/cscs/eth/free " +
		"total_block_usage:1 total_file_usage:0 type:user user:free] " +
		"map[block_limit:1.073741824e+10 file_limit:100 path:/capstor/store/cscs/eth/near " +
		"total_block_usage:9.663676416e+09 total_file_usage:1 type:user user:near]]"
	if s := fmt.Sprint(got.Quotas); s != want {
		t.Errorf("%s", s)
	}
}

// TestHostileNamesStayText: nothing from outside becomes an element, or a formula.
func TestHostileNamesStayText(t *testing.T) {
	in := site()
	in.Plan = plantest.Hostile()
	for i, s := range plantest.HostileTexts() {
		in.Views = append(in.Views, planner.View{Key: planner.Key{Item: fmt.Sprint("h", i)},
			Address: s, Target: planner.TargetProject, System: "capstor", Parent: "=1+1",
			Managed: true})
		in.Holds = append(in.Holds, planner.Hold{Glob: s, Reason: s, By: s})
		in.Archived = append(in.Archived, planner.Archived{Address: s, Archive: s})
		in.History = append(in.History, ledger.Entry{Time: in.Now, Event: ledger.EventBegin,
			Plan: s, Approvals: []ledger.Approval{{Name: s, Kind: s}}},
			ledger.Entry{Time: in.Now, Event: ledger.EventFinish, Plan: s, Who: s,
				Counts: map[string]int{s: 1}})
	}
	pagetest.Check(t, reportTemplate, New(in).page())
	html, err := New(in).HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<b>", "\x1b", "\u202e"} {
		if strings.Contains(string(html), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	table, err := New(in).CSV()
	if err != nil || strings.Contains(string(table), ",=1+1") {
		t.Errorf("a formula is in the table: %v", err)
	}
}

// TestTilesFillTheMap: areas are proportional to their weights, inside the picture, and do not
// overlap.
func TestTilesFillTheMap(t *testing.T) {
	weights := []float64{60, 20, 10, 5, 3, 1, 1, 0}
	in := rectangle{0, 0, 1000, 420}
	tiles := squarify(weights, in)
	for i, a := range tiles {
		if got, want := a.w*a.h, weights[i]/100*in.w*in.h; got < want*0.999-0.001 ||
			got > want*1.001+0.001 {
			t.Errorf("tile %d has area %.1f, want %.1f", i, got, want)
		}
		if a.x < 0 || a.y < 0 || a.x+a.w > in.w+0.001 || a.y+a.h > in.h+0.001 {
			t.Errorf("tile %d lies outside: %+v", i, a)
		}
		for _, b := range tiles[:i] {
			if min(a.x+a.w, b.x+b.w)-max(a.x, b.x) > 0.001 && min(a.y+a.h, b.y+b.h)-max(a.y,
				b.y) > 0.001 {
				t.Errorf("%+v and %+v overlap", a, b)
			}
		}
	}
}
