package lfssim

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// step is one run of a real lfs; see testdata/README.md.
type step struct {
	N       int      `json:"n"`
	Version string   `json:"version"`
	Cmd     []string `json:"cmd"`
	UID     int      `json:"uid"`
	Note    string   `json:"note"`
	Cwd     string   `json:"cwd"`
	Stdout  string   `json:"stdout"`
	Stderr  string   `json:"stderr"`
	Exit    int      `json:"exit"`
}

func readSteps(t *testing.T) []step {
	t.Helper()
	data, err := os.ReadFile("testdata/transcripts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for line := range bytes.Lines(data) {
		var s step
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
	return steps
}

// start is the time at which the grace times of the transcripts were started.
const start = 1_800_000_000

// elapsed has seconds since start, from the step with this note on. The transcripts don't contain
// the time, so it is derived from the grace times shown.
func elapsed(version, note string) (seconds int64, ok bool) {
	switch {
	case note == "after reset":
		return 4, true
	case version == "2.17.57" && note == "over soft block and soft inode limits (usage 10G/1234)":
		return 1, true
	}
	return 0, false
}

// machine is the machine on which a release's transcripts were made.
type machine struct {
	t       *testing.T
	root    string
	state   string
	version string
}

func newMachine(t *testing.T, version string) *machine {
	m := &machine{t: t, root: t.TempDir(), version: version}
	m.state = filepath.Join(t.TempDir(), "lfs.json")
	for _, dir := range []string{"mnt/lustre/capstor0/sub", "mnt/lustre/capstor0/proj/a/b",
		"mnt/lustre/iopsstor", "mnt/lustre/none", "mnt/local/ext4fs"} {
		must(t, os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	for _, file := range []string{"file", "proj/f1", "proj/a/f2", "proj/a/b/f3"} {
		must(t, os.WriteFile(filepath.Join(m.root, "mnt/lustre/capstor0", file), nil, 0o644))
	}
	must(t, os.Symlink("f1", filepath.Join(m.root, "mnt/lustre/capstor0/proj/link")))
	must(t, os.Symlink("../capstor0", filepath.Join(m.root, "mnt/lustre/none/tfs")))
	must(t, Init(m.state, State{
		Release: version,
		Now:     start,
		Mounts:  []Mount{{"/mnt/lustre/capstor0", "tfs"}, {"/mnt/lustre/iopsstor", "ifs"}},
		Filesystems: map[string]Filesystem{
			"tfs": {MDTs: 2, OSTs: 4, Pools: []Pool{{"hdd", []int{2, 3}}, {"flash", []int{0, 1}}}},
			"ifs": {NoProjectQuota: true},
		},
		Names: Names{
			Users:    map[string]uint32{"nobody": 65534},
			Groups:   map[string]uint32{"cloudsdk": 1000, "nogroup": 65534},
			Projects: map[string]uint32{"home": 42},
		},
	}))
	must(t, SetUsage(m.state, "tfs", Group, 1000, 10<<30, 1234))
	must(t, SetUsage(m.state, "tfs", Group, 4000, 1<<30, 1))
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// between does what happened on the servers, or in the tree, before a step. The step's note says
// what that was.
func (m *machine) between(note string) {
	if name, ok := strings.CutPrefix(note, "state: "); ok {
		m.use(name)
		return
	}
	must(m.t, Update(m.state, func(s *State) error {
		s.Faults, s.Filesystems["tfs"] = faultsFor(note), targetsFor(s.Filesystems["tfs"], note)
		if seconds, ok := elapsed(m.version, note); ok {
			s.Now = start + seconds
		}
		return nil
	}))
	switch note {
	case "huge numbers":
		m.usage(6459928239669248<<10, 1<<64-1)
	case "1 byte used is shown as 1 KiB":
		m.usage(1, 1)
	case "1025 bytes used is shown as 2 KiB":
		m.usage(1025, 1)
	case "new file inherits":
		must(m.t, os.WriteFile(filepath.Join(m.root, "mnt/lustre/capstor0/proj/newfile"), nil,
			0o644))
	}
}

func faultsFor(note string) []Fault {
	fields := strings.Fields(strings.TrimSuffix(note, " (kernel internal)"))
	errno := fields[len(fields)-1]
	switch {
	case strings.HasPrefix(note, "fault on GETQUOTA: E"):
		return []Fault{{On: OnQuota, Errno: errno}}
	case strings.HasPrefix(note, "fault on SETQUOTA: E"):
		return []Fault{{On: OnSetquota, Errno: errno}}
	case note == "only -B, the GETQUOTA before it fails":
		return []Fault{{On: OnQuota, Errno: "EINVAL"}}
	case note == "pool command on 2.12 modules":
		return []Fault{{On: OnQuota, Errno: "ENOTSUPP"}}
	}
	return nil
}

func targetsFor(fs Filesystem, note string) Filesystem {
	fs.Lost = nil
	switch note {
	case "fault on GETQUOTA: OST usage missing":
		fs.Lost = []string{"OST0003"}
	case "fault on GETQUOTA: MDT usage missing":
		fs.Lost = []string{"MDT0001"}
	}
	return fs
}

// use puts group 5000 (soft 1 GiB and 2000 inodes, hard 2 GiB and 4000) into one of the states.
func (m *machine) use(state string) {
	const gib = 1 << 30
	uses := map[string][2]uint64{
		"below soft": {gib / 2, 100}, "exactly soft": {gib, 2000}, "one over soft": {gib + 1024,
			2001},
		"at hard, blocks only": {2 * gib, 100}, "above hard, blocks only": {3 * gib, 100},
		"over soft, inodes only": {gib / 2, 3000}, "at hard, inodes only": {gib / 2, 4000},
		"above hard, both": {3 * gib, 5000}, "over soft, blocks only": {3 * gib / 2,
			100}, "grace expired": {3 * gib / 2, 100},
	}
	u, ok := uses[state]
	if !ok {
		m.t.Fatalf("no usage known for %q", state)
	}
	q := Quota{BlockSoft: 1 << 20, BlockHard: 2 << 20, InodeSoft: 2000, InodeHard: 4000}
	if state == "grace expired" {
		q.BlockGraceEnd = start - 1
	}
	must(m.t, WriteQuota(m.state, "tfs", Group, 5000, q))
	m.usage(u[0], u[1])
}

func (m *machine) usage(space, inodes uint64) {
	must(m.t, SetUsage(m.state, "tfs", Group, 5000, space, inodes))
}

// lfs simulates one step.
func (m *machine) lfs(s step) (stdout, stderr string, exit int) {
	var out, errs bytes.Buffer
	p := &program{
		args: s.Cmd[1:], state: m.state, root: m.root, cwd: s.Cwd, device: "254/0", stdout: &out,
		stderr:  &errs,
		environ: func() []string { return []string{"LD_LIBRARY_PATH=/usr/lib", "LC_ALL=C"} },
		now:     func() time.Time { return time.Unix(start, 0) },
		sleep:   func(time.Duration) { m.t.Error("nothing is to hang") },
		caller:  caller{uid: s.UID, gids: []int{s.UID}},
	}
	exit = p.run()
	return out.String(), errs.String(), exit
}

// deviations are the steps in which the simulation deliberately differs; cmd/lfs-sim/doc.go gives
// the reasons. The value converts real and simulated output into what must be equal.
func deviations() map[string]func(string) string {
	anyOrder := func(out string) string {
		lines := slices.Sorted(strings.SplitSeq(out, "\n"))
		return strings.Join(lines, "\n")
	}
	return map[string]func(string) string{
		"list children":                    anyOrder,
		"list recursively":                 anyOrder,
		"children after non-recursive set": anyOrder,
		"list after recursive set":         anyOrder,
		"list after clear":                 anyOrder,
	}
}

func TestTranscripts(t *testing.T) {
	steps := readSteps(t)
	for _, version := range []string{"2.15.8", "2.17.57"} {
		t.Run(version, func(t *testing.T) {
			m := newMachine(t, version)
			played := 0
			for _, s := range steps {
				if s.Version != version {
					continue
				}
				m.between(s.Note)
				m.compare(t, s)
				played++
			}
			if played < 290 {
				t.Errorf("only %d steps played", played)
			}
		})
	}
}

func (m *machine) compare(t *testing.T, s step) {
	t.Helper()
	out, errs, exit := m.lfs(s)
	if same := deviations()[s.Note]; same != nil {
		if out == s.Stdout {
			t.Errorf("step %d (%s) is played exactly: it is no deviation", s.N, s.Note)
		}
		out, s.Stdout = same(out), same(s.Stdout)
	}
	if d := cmp.Diff(s.Stdout, out); d != "" {
		t.Errorf("step %d %q (%s): stdout (-real +played):\n%s", s.N, s.Cmd, s.Note, d)
	}
	if d := cmp.Diff(s.Stderr, errs); d != "" {
		t.Errorf("step %d %q (%s): stderr (-real +played):\n%s", s.N, s.Cmd, s.Note, d)
	}
	if exit != s.Exit {
		t.Errorf("step %d %q (%s): exit %d, really %d", s.N, s.Cmd, s.Note, exit, s.Exit)
	}
}
