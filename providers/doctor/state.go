package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// approvals checks whether enough people can approve.
func (e *examination) approvals() {
	path := e.in.Config.Approval.AllowedSigners
	if path == "" {
		e.pass("approvals", "local: anybody who can become root on this node may approve; %s needed",
			planner.Count(e.in.Config.Approval.Required, "approval"))
		return
	}
	signers, err := e.in.Signers(path)
	if err != nil {
		e.fail("signers", "%v", err)
		return
	}
	keys, required := signers.Len(), e.in.Config.Approval.Required
	switch {
	case keys < required:
		e.fail("signers", "%s has %s that can be used, but %d different people must approve: no plan "+
			"can ever be applied", path, planner.Count(keys, "line"), required)
	case len(signers.Problems()) > 0:
		e.warn("signers", "%s has %s that cannot be used: see the warnings above", path,
			planner.Count(len(signers.Problems()), "line"))
	default:
		e.pass("signers", "%s has %s; %d required", path, planner.Count(keys, "line"), required)
	}
}

// notify checks the program that is run when plans are held.
func (e *examination) notify() {
	to := e.in.Config.Run.Notify
	if to == nil || len(to.Exec) == 0 {
		return
	}
	err := unix.Access(to.Exec[0], unix.X_OK)
	if err != nil {
		err = fmt.Errorf("run %s: %w: nobody is told about held plans; make it executable, or correct "+
			"exec in the notify block", to.Exec[0], err)
	}
	e.passOrFail("notify", err, "%s can be run", to.Exec[0])
}

// remote names filesystems that are not a local disk, by the magic numbers of statfs(2) in
// linux/magic.h and Lustre's own.
var remote = map[uint32]string{0x0BD00BD0: "Lustre", 0x6969: "NFS", 0xFF534D42: "CIFS",
	0xFE534D42: "SMB", 0x00C36400: "Ceph", 0x65735546: "FUSE",
	0x47504653: "GPFS", 0x19830326: "BeeGFS", 0x5346414F: "AFS",
	0x01021994: "tmpfs, which a reboot empties"}

// leastFree is the free space in bytes that the state needs for an apply of any size.
const leastFree = 100 << 20

// state reads the state and checks the disk that holds it.
func (e *examination) state() {
	recorded, err := e.in.State.Recorded()
	if err == nil && e.in.Config.Shared != nil { // the records may come from this node's cache
		err = e.in.State.View(func(tx ledger.Tx) error {
			_, err := tx.Records()
			return err
		})
	}
	e.passOrFail("state", err, "%s: %s, %s waiting", e.in.State.Dir(),
		planner.Count(recorded.Records.Len(), "record"),
		planner.Count(len(recorded.Undelivered), "callback"))
	dir := e.in.State.Dir()
	var st unix.Statfs_t
	for err = unix.Statfs(dir, &st); errors.Is(err, unix.ENOENT) && dir != "/"; {
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &st)
	}
	free := st.Bavail * uint64(st.Bsize)
	switch name := remote[uint32(st.Type)]; {
	case err != nil:
		e.warn("state's disk", "%v", err)
	case name != "":
		e.warn("state's disk", "%s is on %s, where locks and syncs may not be reliable: put the state "+
			"on a local disk", e.in.State.Dir(), name)
	case free < leastFree:
		e.fail("state's disk", "only %s free: an apply stops when it cannot write the state; free some "+
			"space", planner.Bytes(free))
	default:
		e.pass("state's disk", "local, %d GiB free", free>>30)
	}
}

// failures reports the resources on which the loop has failed.
func (e *examination) failures() {
	m, err := loop.ReadHistory(e.in.Files)
	if err != nil {
		e.warn("loop", "%v", err)
		return
	}
	var waiting, quarantined []string
	for _, f := range m.Failures {
		if f.Quarantined() {
			quarantined = append(quarantined, f.Address)
		} else {
			waiting = append(waiting, f.Address)
		}
	}
	e.first("loop", "resource", "failed repeatedly, and is retried once an hour", quarantined)
	e.first("loop", "resource", "failed, and will be retried soon", waiting)
	e.waitingOrders(&m)
}

// waitingOrders reports the orders that the loop saw blocked, or that have waited for too long.
func (e *examination) waitingOrders(m *loop.FailureHistory) {
	var blocked, overdue []string
	for _, w := range m.Orders {
		switch {
		case w.IsBlocked:
			blocked = append(blocked, w.Address)
		case w.IsOverdue(e.in.Now()):
			overdue = append(overdue, w.Address)
		}
	}
	e.first("orders", "open order", "blocked while the customer waits", blocked)
	e.first("orders", "open order", "waiting for more than a day", overdue)
}

// first warns of several things and says how to get an explanation of the first.
func (e *examination) first(check, thing, state string, addresses []string) {
	if len(addresses) > 0 {
		e.warn(check, "%s %s: cscs-sync explain %s", planner.Count(len(addresses), thing), state,
			render.Quote(slices.Min(addresses)))
	}
}

// checkLoopPlans reports the loop's plan files that this version can't use.
func (e *examination) checkLoopPlans() {
	own := e.in.State.Dir()
	for _, dir := range []string{loop.BegunFolder(own), loop.PendingFolder(own)} {
		names, err := e.in.Files.Plans(dir)
		if err != nil {
			e.warn("plans", "%v", err)
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if _, why, err := loop.ReadUsable(e.in.Files, path); err != nil || why != nil {
				e.warn("plans", "%s is kept, but this version can't use it: %v",
					render.Quote(path), cmp.Or(why, err))
			}
		}
	}
}

// leftOver reports unfinished work: interrupted plans, and callbacks that need a person.
func (e *examination) leftOver() {
	var plans []ledger.Plan
	var calls []ledger.Delivery
	err := e.in.State.View(func(tx ledger.Tx) (err error) {
		if plans, err = tx.Plans(); err == nil {
			calls, err = tx.Outbox()
		}
		return err
	})
	if err != nil {
		return // the check of the state reports it
	}
	e.failures()
	e.checkLoopPlans()
	e.warnUnfinished(plans)
	if n, last, err := loop.FromFuture(e.in.State, e.in.Now()); err == nil && n > 0 {
		e.warn("clock, state", "%s", loop.FutureText(n, last))
	}
	e.callbacks(calls)
}

// warnUnfinished warns of plans that were started and are not finished.
func (e *examination) warnUnfinished(plans []ledger.Plan) {
	for _, p := range plans {
		if p.Over() {
			continue
		}
		short, since := canonical.ShortID(p.ID), planner.Minute(p.Begun)
		path := filepath.Join(loop.BegunFolder(e.in.State.Dir()), short+".plan")
		if byLoop, err := e.in.Files.Exists(path); err == nil && byLoop {
			e.warn("plans", "the loop's plan %s, started %s, is not finished: the loop continues it, see "+
				"`cscs-sync explain ADDRESS`; to give it up, run `cscs-sync state abandon %[1]s`", short, since)
			continue
		}
		e.warn("plans", "plan %s, started %s, is not finished: apply its file again, or run "+
			"`cscs-sync state abandon %[1]s` to give it up", short, since)
	}
}

// callbacks warns of callbacks that need a person, or have waited for too long.
func (e *examination) callbacks(calls []ledger.Delivery) {
	parked, old := 0, 0
	for i := range calls {
		u := calls[i].Undelivered()
		if u.Parked {
			parked++
		} else if e.in.Now().Sub(u.Since) > time.Hour {
			old++
		}
	}
	if parked+old > 0 {
		e.warn("callbacks", "%d need a person, and %d have waited for more than an hour: run "+
			"`cscs-sync callbacks list`", parked, old)
	}
}
