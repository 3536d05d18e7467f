package lustre

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// server simulates the kernel and the quota master. It keeps limits like Lustre, with its rule for
// grace clocks.
type server struct {
	mu      sync.Mutex
	records map[[2]uint32]*quotactl
	// fail is the answer to every call. hide are valid bits that are omitted.
	fail error
	// lost is the answer to the next change, which takes effect.
	lost  error
	hide  uint32
	calls int
	grace uint64
	now   uint64
	// hard is the default quota's hard limit of space, in KiB.
	hard uint64
	// lists reports whether the server knows ITERQUOTA. marked is what GETALLQUOTA will return, by
	// mark.
	lists  bool
	marked map[uint64][]*quotactl
}

func newServer() *server {
	return &server{records: map[[2]uint32]*quotactl{}, grace: 604800, now: 1_000_000,
		marked: map[uint64][]*quotactl{}}
}

func (s *server) client() *ioctlClient { return &ioctlClient{ioctl: s.ioctl, calls: hang.New(0)} }

func (s *server) ioctl(dir string, q *quotactl) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.answer(q)
	if err == nil && q.u32(atCmd) == setQuota {
		err, s.lost = s.lost, nil
	}
	return err
}

func (s *server) answer(q *quotactl) error {
	s.calls++
	if s.fail != nil {
		return s.fail
	}
	switch q.u32(atCmd) {
	case getQuota:
		r := s.record(q.u32(atType), q.u32(atID))
		copy(q[atBHard:atValid], r[atBHard:atValid])
		if r.u64(atBTime)&flagDefault != 0 {
			q.put64(atBHard, s.hard)
		}
		q.put32(atValid, 0x3f&^s.hide)
	case setQuota:
		r := s.record(q.u32(atType), q.u32(atID))
		if err := s.pair(q, r, validBLimits, atBHard, atBSoft, atCurSpace, atBTime, validBTime,
			1024); err != nil {
			return err
		}
		return s.pair(q, r, validILimits, atIHard, atISoft, atCurInodes, atITime, validITime, 1)
	case iterQuota, getAllQuota:
		if !s.lists {
			return errENOTSUPP
		}
		return s.list(q)
	default:
		return errENOTSUPP
	}
	return nil
}

// record returns a record. Like a real server, reading creates one that uses the default.
func (s *server) record(typ, id uint32) *quotactl {
	key := [2]uint32{typ, id}
	r := s.records[key]
	if r == nil {
		r = new(quotactl)
		r.put32(atType, typ)
		r.put32(atID, id)
		r.put64(atBTime, flagDefault)
		r.put64(atITime, flagDefault)
		s.records[key] = r
	}
	return r
}

// list is ITERQUOTA and GETALLQUOTA: the records of a range, root's first, once for each mark.
func (s *server) list(q *quotactl) error {
	if q.u32(atCmd) == iterQuota {
		found := []*quotactl{new(quotactl)}
		for key, r := range s.records {
			if id := uint64(key[1]); key[0] == q.u32(atType) && q.u64(atFirst) <= id &&
				id <= q.u64(atLast) {
				r.put32(atValid, 0x3f&^s.hide)
				found = append(found, r)
			}
		}
		mark := uint64(len(s.marked) + 7)
		s.marked[mark] = found
		q.put64(atCount, uint64(len(found)))
		q.put64(atMark, mark)
		return nil
	}
	found := s.marked[q.u64(atMark)]
	switch {
	case found == nil:
		return unix.EBUSY
	case q.u64(atLength) < uint64(len(found)*176):
		return unix.ERANGE
	}
	delete(s.marked, q.u64(atMark))
	address := q.u64(atAddress)
	buffer := unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), q.u64(atLength))
	for i, r := range found {
		copy(buffer[i*176:], r[:176])
	}
	return nil
}

func (s *server) pair(q, r *quotactl, valid uint32, hard, soft, used, clock int, timeBit uint32,
	unit uint64) error {
	if !q.has(valid) {
		return nil
	}
	if q.u64(hard) != 0 && q.u64(soft) > q.u64(hard) {
		return unix.EINVAL
	}
	r.put64(hard, q.u64(hard))
	r.put64(soft, q.u64(soft))
	switch over := q.u64(soft) != 0 && r.u64(used) > q.u64(soft)*unit; {
	case !over:
		r.put64(clock, 0)
	case q.has(timeBit):
		r.put64(clock, q.u64(clock))
	default:
		r.put64(clock, s.now+s.grace)
	}
	return nil
}

func TestIOCTLSetAndGet(t *testing.T) {
	s := newServer()
	c := s.client()
	before := c.Get(t.Context(), "/mnt/l", planner.ByGroup, 5)
	if !before.DefaultSpace || !before.DefaultInodes ||
		!before.Limits[planner.SpaceHard].IsUnlimited() || before.Via() != "ioctl" ||
		!before.Ends().Space.IsZero() {
		t.Errorf("an id without a record: %+v", before)
	}
	if err := c.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{}); err != nil {
		t.Fatal(err)
	}
	after := c.Get(t.Context(), "/mnt/l", planner.ByGroup, 5)
	if after.Limits != wanted() || after.DefaultSpace || after.DefaultInodes ||
		!after.Space.Known() || !after.Inodes.Known() {
		t.Errorf("got %+v", after)
	}
	r := s.records[[2]uint32{typeGroup, 5}]
	if got := [4]uint64{r.u64(48), r.u64(56), r.u64(72), r.u64(80)}; got != [4]uint64{10485760,
		9437184, 2000, 0} {
		t.Errorf("on the wire: %v", got)
	}
	if c.Set(t.Context(), "/mnt/l", planner.ByProject, 5, wanted(),
		planner.Grace{}); s.records[[2]uint32{typeProject, 5}] == nil {
		t.Error("a project's quota was not set as type 2")
	}
}

// A running clock continues if its soft limit stays the same, and starts over if it changes.
func TestIOCTLKeepsClocks(t *testing.T) {
	s := newServer()
	c := s.client()
	s.ioctl("", request(getQuota, planner.ByGroup, 5))
	r := s.records[[2]uint32{typeGroup, 5}]
	r.put64(atCurSpace, 9<<30+1)
	if err := c.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{}); err != nil {
		t.Fatal(err)
	}
	ends := r.u64(atBTime)
	s.now += 5

	want := wanted()
	want[planner.SpaceHard] = planner.LimitOf[planner.Bytes](20 << 30)
	before := c.Get(t.Context(), "/mnt/l", planner.ByGroup, 5)
	if err := c.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, want, quota.Keep(&traits, before,
		want)); err != nil {
		t.Fatal(err)
	}
	if got := r.u64(atBTime); got != ends {
		t.Errorf("the clock moved by %d s when only the hard limit changed", got-ends)
	}
	want[planner.SpaceSoft] = planner.LimitOf[planner.Bytes](8 << 30)
	before = c.Get(t.Context(), "/mnt/l", planner.ByGroup, 5)
	if err := c.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, want, quota.Keep(&traits, before,
		want)); err != nil {
		t.Fatal(err)
	}
	if got := r.u64(atBTime); got != ends+5 {
		t.Errorf("the clock ends at %d, want %d: the soft limit changed", got, ends+5)
	}
}

func TestIOCTLMissingBits(t *testing.T) {
	s := newServer()
	s.hide = validSpace
	if q := s.client().Get(t.Context(), "/mnt/l", planner.ByGroup, 5); q.LimitsWhy() != "" ||
		q.Space.Known() || q.SpaceWhy() == "" || !q.Inodes.Known() {
		t.Errorf("space missing: %+v", q)
	}
	s.hide = validInodes
	if q := s.client().Get(t.Context(), "/mnt/l", planner.ByGroup, 5); q.LimitsWhy() != "" ||
		!q.Space.Known() || q.Inodes.Known() {
		t.Errorf("inodes missing: %+v", q)
	}
	for _, bit := range []uint32{validBLimits, validILimits} {
		s.hide = bit
		if q := s.client().Get(t.Context(), "/mnt/l", planner.ByGroup, 5); q.LimitsWhy() == "" ||
			q.Limits.Known() || q.Space.Known() {
			t.Errorf("limits missing: %+v", q)
		}
	}
}

func TestIOCTLErrors(t *testing.T) {
	s := newServer()
	for errno, want := range map[unix.Errno]string{
		unix.EPERM: "run cscs-sync as root", unix.EINVAL: "soft above hard", unix.EDQUOT: "raise that limit",
		unix.EOPNOTSUPP: "project feature",
		unix.ENODEV:     "mounted Lustre", unix.ENOTTY: "not on a Lustre", unix.EIO: "servers failed",
		unix.ENODATA: "no such record",
	} {
		s.fail = errno
		if q := s.client().Get(t.Context(), "/mnt/l", planner.ByGroup,
			5); !strings.Contains(q.LimitsWhy(), want) || q.Limits.Known() {
			t.Errorf("%v: get: %+v", errno, q)
		}
		err := s.client().Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(), planner.Grace{})
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: set: %v", errno, err)
		}
	}
}

// The test uses the real kernel, on a filesystem that is not Lustre.
func TestIOCTLRealKernel(t *testing.T) {
	if q := newIOCTL(0).Get(t.Context(), t.TempDir(), planner.ByGroup,
		5); !strings.Contains(q.LimitsWhy(), "not on a Lustre filesystem") {
		t.Errorf("got %+v", q)
	}
	if q := newIOCTL(0).Get(t.Context(), "/nonexistent", planner.ByGroup,
		5); !strings.Contains(q.LimitsWhy(), "does not exist") {
		t.Errorf("got %+v", q)
	}
}

func TestIOCTLHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c := &ioctlClient{ioctl: func(string, *quotactl) error { <-release; return nil },
		calls: hang.New(10 * time.Millisecond)}
	if err := c.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{}); !errors.Is(err, hang.ErrTimeout) || c.stuck() != 1 {
		t.Errorf("got %v, %d stuck", err, c.stuck())
	}
}

func TestAuto(t *testing.T) {
	lfs, called := fakeLFS(t, 0, "exit 0\n/mnt/l 4 51200 61440 - 1 1000 0 - \n")
	s := newServer()
	a := newAuto(s.client(), lfs)
	if q := a.Get(t.Context(), "/mnt/l", planner.ByGroup, 5); q.Via() != "ioctl" {
		t.Errorf("the ioctl answers, but %+v", q)
	}
	if exists(called) {
		t.Error("lfs was run all the same")
	}
	s.fail = unix.EIO
	if q := newAuto(s.client(), lfs).Get(t.Context(), "/mnt/l", planner.ByGroup,
		5); q.Via() != "ioctl" || q.Limits.Known() {
		t.Errorf("a failing server is an answer, but %+v", q)
	}
	for _, errno := range []error{unix.ENOTTY, errENOTSUPP} {
		s.fail, s.calls = errno, 0
		a = newAuto(s.client(), lfs)
		if q := a.Get(t.Context(), "/mnt/l", planner.ByGroup, 5); q.Via() != "lfs" ||
			q.LimitsWhy() != "" {
			t.Errorf("%v: %+v", errno, q)
		}
		if err := a.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
			planner.Grace{}); err != nil || s.calls != 1 {
			t.Errorf("%v: set: %v, the ioctl was tried %d times", errno, err, s.calls)
		}
	}
	s.calls = 0
	a = newAuto(s.client(), lfs)
	if err := a.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, wanted(),
		planner.Grace{}); err != nil || !exists(called) || s.calls != 1 {
		t.Errorf("set first: %v", err)
	}
	if err := a.Set(t.Context(), "/mnt/l", planner.ByGroup, 5, planner.Limits{},
		planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
		t.Errorf("an unknown quota: %v", err)
	}
}

func exists(file string) bool { return unix.Access(file, unix.F_OK) == nil }

func TestOpen(t *testing.T) {
	lfs, called := fakeLFS(t, 0, "exit 0\n")
	system := planner.System{Name: "capstor", Directory: "capstor",
		Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByGroup, Client: "lfs",
			LFS: lfs.path}}
	c, err := Open(system, quota.Options{Root: "/mnt/lustre", Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	id := planner.Subject{Filesystem: "x", By: planner.ByGroup, ID: 5}
	if pending, err := c.Set(t.Context(), id, wanted(), planner.Grace{}); err != nil ||
		pending != nil || !exists(called) {
		t.Errorf("set: %v", err)
	}
	if _, err := c.Remove(t.Context(), id); !errors.Is(err, quota.ErrRefused) {
		t.Errorf("remove: %v", err)
	}
	system.Quota.Client = "rest"
	if _, err := Open(system, quota.Options{}); err == nil {
		t.Error("an unknown client")
	}
}
