package state

import "testing"

// A state has one id from its first batch on, whoever asks. Another state has another id.
func TestAStateHasAnID(t *testing.T) {
	s, _ := newStore(t)
	id, err := s.ID()
	if err != nil || len(id) != 32 {
		t.Fatalf("%q, %v", id, err)
	}
	update(t, s, putRecords(1))
	if again, err := reopen(t, s).ID(); again != id || err != nil {
		t.Errorf("%q, %v, want %q", again, err, id)
	}
	other, _ := newStore(t)
	if second, err := other.ID(); second == id || err != nil {
		t.Errorf("another state has the id %q, %v", second, err)
	}
	old, _ := keptState(t, "testdata/kept/format2-first.db.gz")
	first, err := old.ID()
	if second, err2 := reopen(t, old).ID(); first == "" || first != second || err != nil ||
		err2 != nil {
		t.Errorf("a state of an older format: %q, then %q, %v, %v", first, second, err, err2)
	}
}
