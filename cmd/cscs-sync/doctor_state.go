package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
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

// approvals looks at who may approve.
func (d *doctor) approvals() {
	path := d.cfg.Approval.AllowedSigners
	if path == "" {
		d.say("PASS", "approvals", "local: whoever can become root on this node; %s needed", planner.Count(d.cfg.Approval.Required, "approval"))
		return
	}
	signers, err := d.readSigners(path)
	if err != nil {
		d.say("FAIL", "signers", "%v", err)
		return
	}
	keys, required := signers.Len(), d.cfg.Approval.Required
	switch {
	case keys < required:
		d.say("FAIL", "signers", "%s has %s that can be used, and approvals by %d different people are required: no plan can ever be applied",
			path, planner.Count(keys, "line"), required)
	case len(signers.Problems()) > 0:
		d.say("WARN", "signers", "%s has %s that cannot be used: see the warnings above", path, planner.Count(len(signers.Problems()), "line"))
	default:
		d.say("PASS", "signers", "%s has %s; %d required", path, planner.Count(keys, "line"), required)
	}
}

// notify looks at the program that is told of held plans.
func (d *doctor) notify() {
	to := d.cfg.Run.Notify
	if to == nil || len(to.Exec) == 0 {
		return
	}
	err := unix.Access(to.Exec[0], unix.X_OK)
	if err != nil {
		err = fmt.Errorf("run %s: %w: nobody would be told of held plans", to.Exec[0], err)
	}
	d.judge("notify", err, "%s can be run", to.Exec[0])
}

// remote are filesystems that are no local disk, by the magic numbers of statfs(2) in linux/magic.h and Lustre's.
var remote = map[uint32]string{0x0BD00BD0: "Lustre", 0x6969: "NFS", 0xFF534D42: "CIFS", 0xFE534D42: "SMB",
	0x00C36400: "Ceph", 0x65735546: "FUSE",
	0x47504653: "GPFS", 0x19830326: "BeeGFS", 0x5346414F: "AFS", 0x01021994: "tmpfs, which a reboot empties"}

// leastFree is how much room the state needs for an apply of any size.
const leastFree = 100 << 20

// state reads the state, and looks at where it lies.
func (d *doctor) state() {
	recorded, err := d.store.Recorded()
	d.judge("state", err, "%s: %s, %s waiting", d.store.Dir(), planner.Count(recorded.Records.Len(), "record"),
		planner.Count(len(recorded.Undelivered), "callback"))
	dir := d.store.Dir()
	var st unix.Statfs_t
	for err = unix.Statfs(dir, &st); errors.Is(err, unix.ENOENT) && dir != "/"; err = unix.Statfs(dir, &st) {
		dir = filepath.Dir(dir)
	}
	free := st.Bavail * uint64(st.Bsize)
	switch name := remote[uint32(st.Type)]; {
	case err != nil:
		d.say("WARN", "state's disk", "%v", err)
	case name != "":
		d.say("WARN", "state's disk", "%s is on %s: put it on a local disk, where locks and syncs are what they seem", d.store.Dir(), name)
	case free < leastFree:
		d.say("FAIL", "state's disk", "%s is left: an apply whose state cannot be written stops", planner.Bytes(free))
	default:
		d.say("PASS", "state's disk", "local, %d GiB free", free>>30)
	}
}

// failures names what the loop has failed with.
func (d *doctor) failures() {
	m, err := loop.ReadHistory(d.store.Files())
	if err != nil {
		d.say("WARN", "loop", "%v", err)
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
	for _, x := range []struct {
		what      string
		addresses []string
	}{{"failed again and again, and is tried once an hour", quarantined}, {"failed, and is tried again soon", waiting}} {
		if slices.Sort(x.addresses); len(x.addresses) > 0 {
			d.say("WARN", "loop", "%s %s: cscs-sync explain %s", planner.Count(len(x.addresses), "resource"), x.what, render.Quote(x.addresses[0]))
		}
	}
	d.waitingOrders(&m)
}

// waitingOrders counts the orders that the loop saw blocked, or waiting for too long.
func (d *doctor) waitingOrders(m *loop.FailureHistory) {
	var blocked, overdue []string
	for _, w := range m.Orders {
		switch {
		case w.IsBlocked:
			blocked = append(blocked, w.Address)
		case w.IsOverdue(d.now()):
			overdue = append(overdue, w.Address)
		}
	}
	for _, x := range []struct {
		what      string
		addresses []string
	}{{"blocked, and their customers wait", blocked}, {"waiting for more than a day", overdue}} {
		if slices.Sort(x.addresses); len(x.addresses) > 0 {
			d.say("WARN", "orders", "%s %s: cscs-sync explain %s", planner.Count(len(x.addresses), "open order"), x.what, render.Quote(x.addresses[0]))
		}
	}
}

// unusable names plan files of the loop that this version can't use.
func (d *doctor) unusable() {
	for _, dir := range []string{loop.BegunFolder(d.store.Dir()), loop.PendingFolder(d.store.Dir())} {
		names, err := d.store.Files().Plans(dir)
		if err != nil {
			d.say("WARN", "plans", "%v", err)
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if _, why, err := loop.ReadUsable(d.store.Files(), path); err != nil || why != nil {
				d.say("WARN", "plans", "%s can't be used by this version, and is kept: %v", render.Quote(path), cmp.Or(why, err))
			}
		}
	}
}

// leftOver looks for what was begun and waits: plans that were interrupted, and callbacks that need a person.
func (d *doctor) leftOver() {
	var plans []ledger.Plan
	var calls []ledger.Delivery
	err := d.store.View(func(tx ledger.Tx) (err error) {
		if plans, err = tx.Plans(); err == nil {
			calls, err = tx.Outbox()
		}
		return err
	})
	if err != nil {
		return // the check of the state says so
	}
	d.failures()
	d.unusable()
	for _, p := range plans {
		own := filepath.Join(loop.BegunFolder(d.store.Dir()), canonical.ShortID(p.ID)+".plan")
		if _, err := os.Lstat(own); err == nil && !p.Over() {
			d.say("WARN", "plans", "%s of the loop's has begun %s and is not over: the loop goes on with it, see `cscs-sync explain ADDRESS`; or "+
				"give it up with `cscs-sync state abandon %[1]s`", canonical.ShortID(p.ID), planner.Minute(p.Begun))
		} else if !p.Over() {
			d.say("WARN", "plans", "%s has begun %s and is not over: apply its file again, or give it up with `cscs-sync state abandon`",
				canonical.ShortID(p.ID), planner.Minute(p.Begun))
		}
	}
	if n, last, err := loop.FromFuture(d.store, d.now()); err == nil && n > 0 {
		d.say("WARN", "clock, state", "%s", loop.FutureText(n, last))
	}
	parked, old := 0, 0
	for i := range calls {
		u := calls[i].Undelivered()
		if u.Parked {
			parked++
		} else if d.now().Sub(u.Since) > time.Hour {
			old++
		}
	}
	if parked+old > 0 {
		d.say("WARN", "callbacks", "%d need a person, and %d wait for more than an hour: cscs-sync callbacks list", parked, old)
	}
}
