package lustre

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
)

const (
	iterQuota   = 0x800017 // LUSTRE_Q_ITERQUOTA: collects the records between two ids and counts them
	getAllQuota = 0x800019 // LUSTRE_Q_GETALLQUOTA: copies the collected records

	// Offsets of what these two commands need, in members that otherwise mean something else.
	atFirst   = atCurInodes
	atLast    = atBTime
	atCount   = atBHard
	atMark    = atITime
	atAddress = atBSoft
	atLength  = atCurSpace

	structSize = 176
	// maxRecords is how many records of one range are read at most.
	maxRecords = 1 << 20
)

// List implements [client]. Releases differ in how they report a record to which the default quota
// applies, so List leaves it to Get.
func (i *ioctlClient) List(ctx context.Context, dir string, by planner.QuotaBy, first,
	last uint32) (map[uint32]planner.QuotaState, error) {
	q := request(iterQuota, by, 0)
	q.put64(atFirst, uint64(first))
	q.put64(atLast, uint64(last))
	if err := i.call(ctx, dir, q); err != nil {
		return nil, listError(err)
	}
	n := q.u64(atCount)
	switch {
	case n == 0:
		return nil, nil
	case n > maxRecords:
		return nil, fmt.Errorf("list quotas by ioctl: %d records from %d to %d are more than %d", n,
			first,
			last, maxRecords)
	}
	var records []byte
	err := i.calls.Do(ctx, "quota ioctl", func(context.Context) func() error {
		buffer := make([]byte, n*structSize)
		var pin runtime.Pinner // the kernel writes to the buffer
		pin.Pin(&buffer[0])
		defer pin.Unpin()
		all := request(getAllQuota, by, 0)
		all.put64(atAddress, uint64(uintptr(unsafe.Pointer(&buffer[0]))))
		all.put64(atLength, uint64(len(buffer)))
		all.put64(atMark, q.u64(atMark))
		err := i.ioctl(dir, all)
		return func() error { records = buffer; return err }
	})
	if err != nil {
		return nil, listError(err)
	}
	return states(records), nil
}

// states returns the records that are completely known.
func states(records []byte) map[uint32]planner.QuotaState {
	all := make(map[uint32]planner.QuotaState, len(records)/structSize)
	for ; len(records) >= structSize; records = records[structSize:] {
		var q quotactl
		copy(q[:], records[:structSize])
		if s := q.state(); !s.DefaultSpace && !s.DefaultInodes && s.LimitsWhy() == "" &&
			s.Space.Known() && s.Inodes.Known() {
			all[q.u32(atID)] = s
		}
	}
	return all
}

// listError wraps [providers.ErrNoList] if the modules do not know the command. Those before 2.16
// don't.
func listError(err error) error {
	if isNoIOCTL(err) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("list quotas by ioctl: %w: %w", &callError{err}, providers.ErrNoList)
	}
	return fmt.Errorf("list quotas by ioctl: %w", &callError{err})
}

// listArgs returns the arguments of lfs that list all quotas between two ids, as numbers. lfs can
// do that since 2.17. In 2.16 it prints only names, which may contain anything.
func listArgs(dir string, by planner.QuotaBy, first, last uint32) []string {
	return []string{"quota", "-q", "-a", "-n", flagOf(by), "-s",
		strconv.FormatUint(uint64(first), 10), "-e", strconv.FormatUint(uint64(last), 10), dir}
}

// List implements [client].
func (l *lfsClient) List(ctx context.Context, dir string, by planner.QuotaBy, first,
	last uint32) (map[uint32]planner.QuotaState, error) {
	r, err := l.run(ctx, listArgs(dir, by, first, last))
	if err != nil {
		return nil, err
	}
	if r.exit == exitUsage {
		return nil, fmt.Errorf("list quotas: %s: %w", explainExit("lfs quota -a", r.exit, r.stdout,
			r.stderr), providers.ErrNoList)
	}
	if r.exit != 0 {
		return nil, fmt.Errorf("list quotas: %s", explainExit("lfs quota -a", r.exit, r.stdout,
			r.stderr))
	}
	return parseList(dir, r.stdout, l.now())
}

// parseList reads rows of path, id and the eight fields of a quota. It leaves out a row with a
// number in brackets, which has no record of that kind.
func parseList(dir, stdout string, now time.Time) (map[uint32]planner.QuotaState, error) {
	all := map[uint32]planner.QuotaState{}
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		rest, ok := strings.CutPrefix(line, dir)
		fields := strings.Fields(rest)
		if !ok || len(fields) != 9 {
			return nil, fmt.Errorf("lfs quota -a: unexpected row %.80q: this release of lfs is not "+
				"supported",
				line)
		}
		id, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("lfs quota -a: %q is not an id: this release of lfs is not supported",
				fields[0])
		}
		if s := row(fields[1:]).state(now, ""); s.LimitsWhy() == "" && s.Space.Known() &&
			s.Inodes.Known() {
			all[uint32(id)] = s
		}
	}
	return all, nil
}

// List implements [client]. Before the first Get no client is chosen, and nothing can be listed.
func (a *autoClient) List(ctx context.Context, dir string, by planner.QuotaBy, first,
	last uint32) (map[uint32]planner.QuotaState, error) {
	if c := a.choice(dir); c != nil {
		return c.List(ctx, dir, by, first, last)
	}
	return nil, errors.New("list quotas: no client was chosen yet")
}
