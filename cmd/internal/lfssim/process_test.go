package lfssim

import (
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// together starts n processes at the same time and returns their exit codes.
func together(n int, command func(i int) *exec.Cmd) []int {
	codes := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { codes[i] = exitOf(command(i).Run()) })
	}
	wg.Wait()
	return codes
}

func TestFiftyProcesses(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	codes := together(50, func(i int) *exec.Cmd {
		gid, limit := 1000+i/2, strconv.Itoa(i+1)+"G" // two for each group
		return s.process("setquota", "-g", strconv.Itoa(gid), "-b", limit, "-B", limit, "-i", "0",
			"-I", "5000", s.mount)
	})
	for i, code := range codes {
		if code != 0 {
			t.Errorf("process %d: exit %d", i, code)
		}
	}
	for i := range 25 {
		q := s.group(uint32(1000 + i))
		first, second := uint64(2*i+1)<<20, uint64(2*i+2)<<20
		if q.BlockSoft != q.BlockHard || q.BlockHard != first && q.BlockHard != second ||
			q.InodeHard != 5000 {
			t.Errorf("group %d: limits of no one caller: %+v", 1000+i, q)
		}
	}
	calls, err := ReadLog(s.state)
	must(t, err)
	if len(calls) != 50 {
		t.Errorf("%d calls in the log, not 50", len(calls))
	}
}

func TestCountedFaultStrikesExactly(t *testing.T) {
	s := newSandbox(t, "2.17.57")
	must(t, AddFault(s.state, Fault{On: OnSetquota, Errno: "EIO", Count: 7}))
	failed := 0
	for _, code := range together(20, func(i int) *exec.Cmd {
		return s.process("setquota", "-g", strconv.Itoa(1000+i), "-b", "1G", "-B", "2G", s.mount)
	}) {
		if code == 5 {
			failed++
		}
	}
	if failed != 7 {
		t.Errorf("%d calls failed with EIO, not 7", failed)
	}
}

func TestHangHoldsUpNobodyElse(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	id := uint32(1000)
	must(t, AddFault(s.state, Fault{On: OnSetquota, ID: &id, Hang: true, Count: 1}))
	stuck := s.process("setquota", "-g", "1000", "-b", "1G", "-B", "2G", s.mount)
	must(t, stuck.Start())
	t.Cleanup(func() { _ = stuck.Process.Kill() }) // also when the test ends early
	s.waitForNoFaults()
	for _, args := range [][]string{
		{"setquota", "-g", "1001", "-b", "1G", "-B", "2G", s.mount},
		{"setquota", "-g", "1000", "-b", "3G", "-B", "4G", s.mount},
	} {
		other := s.process(args...)
		must(t, other.Start())
		late := time.AfterFunc(20*time.Second, func() { _ = other.Process.Kill() })
		if err := other.Wait(); err != nil {
			t.Fatalf("%q beside a hanging call: %v", args, err)
		}
		late.Stop()
	}
	must(t, stuck.Process.Kill())
	if err := stuck.Wait(); err == nil {
		t.Error("the hanging call came to an end by itself")
	}
	if q := s.group(1000); q.BlockHard != 4<<20 {
		t.Errorf("hard limit %d KiB: the killed call has set it", q.BlockHard)
	}
}

// waitForNoFaults waits until the last fault was used. It takes no lock, because the lock may be
// what is wrong.
func (s *sandbox) waitForNoFaults() {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		state, err := readState(s.state)
		must(s.t, err)
		if len(state.Faults) == 0 {
			return
		}
	}
	s.t.Fatal("the fault has not struck")
}

func TestHangEndsAndGoesOn(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, AddFault(s.state, Fault{On: OnSetquota, Hang: true, Seconds: 1, Count: 1}))
	before := time.Now()
	s.ok("setquota", "-g", "1000", "-b", "1G", "-B", "2G", s.mount)
	if d := time.Since(before); d < time.Second {
		t.Errorf("it hung for %v only", d)
	}
	if q := s.group(1000); q.BlockHard != 2<<20 {
		t.Errorf("hard limit %d KiB after the call went on", q.BlockHard)
	}
}

// With ten thousand identities a call must be as fast as with one. The fastest of many runs are
// compared, because others use this machine, too.
func TestManyIdentities(t *testing.T) {
	s := newSandbox(t, "2.15.8")
	must(t, withStore(s.state, func(st *store) error {
		for id := uint32(1000); id < 11000; id++ {
			r := record{Space: 1 << 30, Inodes: 10, Block: &half{Soft: 1 << 20, Hard: 2 << 20},
				Inode: &half{Hard: 5000}}
			if err := st.putRecord("tfs", "", Group, id, r); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, args := range [][]string{
		{"quota", "-q", "-g", "7777", s.mount},
		{"setquota", "-g", "7777", "-b", "1G", "-B", "2G", "-i", "0", "-I", "5000", s.mount},
	} {
		best := time.Duration(math.MaxInt64)
		for range 50 {
			begin := time.Now()
			s.ok(args...)
			best = min(best, time.Since(begin))
		}
		if best > 5*time.Millisecond {
			t.Errorf("lfs %s: %v with 10,000 identities", args[0], best)
		}
	}
}

func BenchmarkQuota(b *testing.B) {
	for _, n := range []uint32{1, 10000} {
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			t := &testing.T{}
			s := &sandbox{t: t, mount: b.TempDir(), state: b.TempDir() + "/lfs.json"}
			s.lfs = s.state[:len(s.state)-len(".json")]
			if err := Init(s.state, State{Release: "2.15.8", AsRoot: true, Mounts: []Mount{{s.mount,
				"tfs"}}}); err != nil {
				b.Fatal(err)
			}
			for id := range n {
				if err := WriteQuota(s.state, "tfs", Group, id+1,
					Quota{BlockHard: 1 << 20}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if r := s.run("quota", "-q", "-g", "1", s.mount); r.exit != 0 {
					b.Fatal(r)
				}
			}
		})
	}
}
