package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/kv/kvtest"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

const groupLease = 1500 * time.Millisecond

// inGroup returns an engine of a group whose lease is short.
func inGroup(t testing.TB, url string) *Engine {
	t.Helper()
	e, err := New(Options{URL: url, Name: "alps", Initial: kvtest.Initial, Lease: groupLease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func node(name, boot, config string) kv.Member {
	return kv.Member{Claim: kv.Claim{Node: name, Boot: boot, Who: "root"}, Config: config}
}

// mayLead asks for the lead, and expects to get it. It ends the renewals at the end of the test.
func mayLead(t testing.TB, e *Engine, by kv.Member) kv.Lead {
	t.Helper()
	l, err := e.Lead(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// mayNot asks for the lead, and expects an error that says why not.
func mayNot(t testing.TB, e *Engine, by kv.Member, obstacle kv.Obstacle, other string) {
	t.Helper()
	l, err := e.Lead(t.Context(), by)
	var standby *kv.StandbyError
	switch {
	case err == nil:
		l.Stop()
		t.Fatalf("%s leads beside %s", by.Node, other)
	case !errors.As(err, &standby) || standby.Obstacle != obstacle || standby.Other.Node != other:
		t.Fatalf("%s: %v", by.Node, err)
	}
}

// TestOneLeads: one node leads, and the others stand by until it leaves. All of them are known.
func TestOneLeads(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	a, b := inGroup(t, url), inGroup(t, url)
	lead := mayLead(t, a, node("a", "1", "x"))
	for range 4 { // longer than the lease lasts: a renews it
		mayNot(t, b, node("b", "2", "x"), kv.Led, "a")
		time.Sleep(groupLease / 2)
	}
	if err := lead.Check(); err != nil {
		t.Error(err)
	}
	members, err := b.Members(t.Context())
	if err != nil || len(members) != 2 || !members[0].Leads || members[1].Leads || members[0].Expired {
		t.Errorf("%+v, %v", members, err)
	}
	lead.Stop()
	if err := a.Leave(t.Context(), node("a", "1", "x")); err != nil {
		t.Fatal(err)
	}
	mayLead(t, b, node("b", "2", "x")).Stop()
}

// TestALeaderThatDies: another node leads after the dead leader's term is over, and not before.
// When the old leader wakes up, it knows that it no longer leads.
func TestALeaderThatDies(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	a, b := inGroup(t, url), inGroup(t, url)
	lead := mayLead(t, a, node("a", "1", "x"))
	lead.Stop() // it says nothing more
	died := time.Now()
	var err error
	for next := kv.Lead(nil); next == nil; time.Sleep(10 * time.Millisecond) {
		next, err = b.Lead(t.Context(), node("b", "2", "x"))
		if err == nil {
			defer next.Stop()
		} else if time.Since(died) > 3*groupLease {
			t.Fatal(err)
		}
		if err == nil && lead.Check() == nil {
			t.Fatal("two nodes lead")
		}
	}
	if took := time.Since(died); took < groupLease/2 || took > groupLease+time.Second {
		t.Errorf("it took %s", took)
	}
	mayNot(t, a, node("a", "1", "x"), kv.Led, "b")
}

// TestThePlansOfADeadLeaderAreFreeFirst: a node takes over only when it can also continue what has
// begun, which is when the dead leader's lease has expired.
func TestThePlansOfADeadLeaderAreFreeFirst(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	a, b := inGroup(t, url), inGroup(t, url)
	mayLead(t, a, node("a", "1", "x")).Stop()
	s.SQL(t, "waldur", "UPDATE cscs_sync.nodes SET until = now(); UPDATE cscs_sync.states SET node "+
		"= 'a', boot = '1', who = '', since = now(), until = now() + interval '1 hour'")
	mayNot(t, b, node("b", "2", "x"), kv.Led, "a")
	s.SQL(t, "waldur", "UPDATE cscs_sync.states SET until = now()")
	mayLead(t, b, node("b", "2", "x")).Stop()
}

// TestAnotherConfigurationWaits: the node waits while the leader is alive, and after it died until
// a person says that it is down. A leader that reloads its configuration stays the leader.
func TestAnotherConfigurationWaits(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	a, b := inGroup(t, url), inGroup(t, url)
	mayLead(t, a, node("a", "1", "x")).Stop()
	mayNot(t, b, node("b", "2", "y"), kv.Differs, "a")
	mayLead(t, a, node("a", "1", "y")).Stop()
	mayNot(t, b, node("b", "2", "y"), kv.Led, "a")
	mayLead(t, a, node("a", "1", "x")).Stop()
	if gone, err := b.Forget(t.Context(), "a"); gone || err != nil {
		t.Errorf("a node that is alive was forgotten: %v", err)
	}
	s.SQL(t, "waldur", "UPDATE cscs_sync.nodes SET until = now() WHERE node = 'a'")
	_, err := b.Lead(t.Context(), node("b", "2", "y"))
	if err == nil || !strings.Contains(err.Error(), "cscs-sync state fence --node a") {
		t.Errorf("after the leader died: %v", err)
	}
	if gone, err := b.Forget(t.Context(), "a"); !gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	mayLead(t, b, node("b", "2", "y")).Stop()
}

// TestTwoNodesOfOneName: the second node waits, unless the first one is gone.
func TestTwoNodesOfOneName(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	a, b := inGroup(t, url), inGroup(t, url)
	lead := mayLead(t, a, node("mgmt", "1", "x"))
	mayNot(t, b, node("mgmt", "2", "x"), kv.SameName, "mgmt")
	if err := lead.Check(); err != nil {
		t.Error(err)
	}
	lead.Stop()
	mayLead(t, a, node("mgmt", "1", "x")).Stop() // the same boot: the loop was started again
	s.SQL(t, "waldur", "UPDATE cscs_sync.nodes SET until = now()")
	mayLead(t, b, node("mgmt", "2", "x")).Stop() // the machine was
}
