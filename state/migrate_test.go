package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// readCompressed returns a file of testdata that is stored compressed.
func readCompressed(t *testing.T, path string) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// keptStates are states that earlier builds have written. They must stay readable forever.
func keptStates(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/kept/*.db.gz")
	if err != nil || len(names) < 2 {
		t.Fatalf("%v, %v", names, err)
	}
	return names
}

// formatOf returns the format of a kept state.
func formatOf(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), "-")
	return strings.TrimPrefix(name, "format")
}

// keptState returns a store on a copy of a kept state.
func keptState(t *testing.T, path string) (*Store, []byte) {
	t.Helper()
	s, _ := newStore(t)
	data := readCompressed(t, path)
	if err := firstError(os.Mkdir(s.dir, 0o700), os.WriteFile(s.File(), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return s, data
}

// pulledFrom returns what a state contains, without when and how it was read.
func pulledFrom(t *testing.T, document []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"at", "state_format", "history", "head"} {
		delete(doc, member)
	}
	plans, _ := doc["plans"].([]any)
	for _, p := range plans {
		if p, ok := p.(map[string]any); ok {
			delete(p, "ended_seq") // what the migration adds
		}
	}
	return doc
}

// missingFrom returns where a document does not say what an earlier one said. Later formats may say
// more.
func missingFrom(want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for member, v := range w {
			if where := missingFrom(v, g[member]); where != "" || !ok {
				return member + ", " + where
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprint(w)
		}
		for i := range w {
			if where := missingFrom(w[i], g[i]); where != "" {
				return where
			}
		}
	default:
		if n, ok := want.(float64); ok && got == fmt.Sprintf("%04o", int(n)) {
			return "" // a mode: earlier builds wrote it as a number
		}
		if url, ok := want.(string); ok && got == planner.KeptURL(url) {
			return "" // a callback's URL: earlier builds kept it whole
		}
		if want != got {
			return fmt.Sprint(want)
		}
	}
	return ""
}

// TestKeptStatesAreRead views each kept state. It contains everything that it contained for the
// build that wrote it, and the file stays unchanged, however often it is read.
func TestKeptStatesAreRead(t *testing.T) {
	for _, path := range keptStates(t) {
		s, before := keptState(t, path)
		var b bytes.Buffer
		if err := s.Pull(&b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		want := pulledFrom(t, readCompressed(t, strings.Replace(path, ".db.", ".json.", 1)))
		got := pulledFrom(t, b.Bytes())
		if where := missingFrom(want, got); where != "" {
			t.Errorf("%s: it no longer says %s", path, where)
		}
		if bytes.Contains(b.Bytes(), []byte("https://")) {
			t.Errorf("%s: it still says where Waldur is", path)
		}
		view(t, s, func(tx ledger.Tx) error {
			records, err := tx.Records()
			if err != nil || len(records) != 9 {
				t.Errorf("%s: %d records, %v", path, len(records), err)
			}
			if err := tx.AddHold(planner.Hold{Glob: "/a", Reason: "x", By: "y"}); err == nil {
				t.Errorf("%s: a view changes something", path)
			}
			return tx.VerifyHistory("")
		})
		if files, _ := os.ReadDir(s.dir); len(files) != 1 || !bytes.Equal(before, read(t, s.File())) {
			t.Errorf("%s: reading left %v", path, files)
		}
	}
}

// TestTheFirstChangeMigrates changes each kept state. Then it has today's format, an entry in the
// history says so, and the old file is preserved.
func TestTheFirstChangeMigrates(t *testing.T) {
	for _, path := range keptStates(t) {
		s, before := keptState(t, path)
		failed := errors.New("the batch fails")
		if err := s.Update(func(tx ledger.Tx) error { return failed }); !errors.Is(err, failed) ||
			!bytes.Equal(before, read(t, s.File())) {
			t.Errorf("%s: a batch that failed changed the file: %v", path, err)
		}
		update(t, s, putRecords(2))
		older := s.File() + ".bak-format" + formatOf(path)
		if data := read(t, older); !bytes.Equal(data, before[:len(data)]) {
			t.Errorf("%s: the older file was not kept as it was", path)
		}
		view(t, reopen(t, s), func(tx ledger.Tx) error {
			if m := tx.(*Tx).meta; m.Format != format || len(m.ID) != 32 {
				t.Errorf("%s: format %d, id %q", path, m.Format, m.ID)
			}
			var last ledger.Entry
			err := tx.History(1, func(e ledger.Entry) error { last = e; return nil })
			if err != nil || last.Event != eventMigrate ||
				last.Text != fmt.Sprintf("format %s to %d", formatOf(path), format) {
				t.Errorf("%s: %+v, %v", path, last, err)
			}
			return tx.VerifyHistory("")
		})
		update(t, reopen(t, s), putRecords(3))
		if files, err := filepath.Glob(older + "*"); len(files) != 1 || err != nil {
			t.Errorf("%s: %v, %v", path, files, err)
		}
		// The preserved file is a state: when it is restored, it is read and migrated again, and replaces
		// no earlier copy.
		if err := os.Rename(older, s.File()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(older, []byte("somebody's"), 0o600); err != nil {
			t.Fatal(err)
		}
		update(t, reopen(t, s), putRecords(1))
		if files, err := filepath.Glob(older + "*"); len(files) != 2 || err != nil ||
			string(read(t, older)) != "somebody's" {
			t.Errorf("%s: %v, %v", path, files, err)
		}
	}
}

// TestApprovalsThatServedBeforeStayUsed: an approval that format 2 identified by its bytes cannot
// be used again in another encoding.
func TestApprovalsThatServedBeforeStayUsed(t *testing.T) {
	for _, path := range keptStates(t) {
		if strings.HasSuffix(path, "-new.db.gz") {
			continue // it knows approvals by their digest
		}
		s, _ := keptState(t, path)
		a := ledger.Approval{Name: "ben@example.com", Time: newClock().t, Digest: "of another encoding"}
		a.Time = a.Time.Add(time.Hour) // when p2 was approved
		var last uint64
		view(t, s, func(tx ledger.Tx) error {
			last, _ = tx.Head()
			return nil
		})
		p := ledger.PlanStart{ID: "sha256:p2", Context: "c", Made: newClock().t.AddDate(1, 0, 0),
			Ledger: last, Keys: []planner.Key{key(3)}, Approvals: []ledger.Approval{a}, Who: "anna"}
		if _, err := begin(s, p); !errors.As(err, new(*ledger.ApprovalUsedError)) {
			t.Errorf("%s: %v", path, err)
		}
		p.Approvals[0].Time = a.Time.Add(time.Second)
		if _, err := begin(s, p); err != nil {
			t.Errorf("%s: another approval: %v", path, err)
		}
		p = ledger.PlanStart{ID: "sha256:p1", Context: "c", Made: newClock().t, Who: "anna"}
		if resumed, err := begin(s, p); !resumed || err != nil {
			t.Errorf("%s: the interrupted plan: %t, %v", path, resumed, err)
		}
	}
}

// TestKilledWhileMigrating kills one process inside the migrating batch, and another one after the
// copy was made and before the batch was written.
func TestKilledWhileMigrating(t *testing.T) {
	if dir := os.Getenv("STATE_TO_MIGRATE"); dir != "" {
		s := openStore(t, dir, newClock())
		_ = s.Update(func(tx ledger.Tx) error {
			if os.Getenv("AFTER_COPY") != "" {
				if err := tx.(*Tx).values.Keep("format2"); err != nil {
					t.Fatal(err)
				}
			}
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
		t.Fatal("not killed")
	}
	for _, after := range []string{"", "yes"} {
		s, before := keptState(t, keptStates(t)[0])
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileMigrating$")
		cmd.Env = append(os.Environ(), "STATE_TO_MIGRATE="+s.dir, "AFTER_COPY="+after)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("%v: %s", err, out)
		}
		if !bytes.Equal(before, read(t, s.File())) {
			t.Error("the state was changed")
		}
		update(t, s, putRecords(2))
		view(t, reopen(t, s), func(tx ledger.Tx) error { return tx.VerifyHistory("") })
		copies, err := filepath.Glob(s.File() + ".bak-format2*")
		if err != nil || len(copies) < 1 {
			t.Errorf("%v, %v", copies, err)
		}
	}
}

// TestEveryFormatHasAWay: each format from the oldest on has a migration to the next, and a kept
// file.
func TestEveryFormatHasAWay(t *testing.T) {
	for f := oldestFormat; f < format; f++ {
		if migrations()[f] == nil {
			t.Errorf("format %d has no migration", f)
		}
		if files, err := filepath.Glob("testdata/kept/format" + string(rune('0'+f)) +
			"-*.db.gz"); len(files) == 0 || err != nil {
			t.Errorf("of format %d nothing is kept in testdata: %v", f, err)
		}
	}
	if len(migrations()) != format-oldestFormat {
		t.Errorf("%d migrations from %d to %d", len(migrations()), oldestFormat, format)
	}
}
