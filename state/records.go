package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// PutRecord records what was seen as wanted for a resource, and numbers the record.
func (tx *Tx) PutRecord(r planner.Record) error { return tx.putRecord(r, true) }

// putRecord stores a record. A record that only gets another key keeps its number, because nothing
// new was seen; another number then notes that it was written.
func (tx *Tx) putRecord(r planner.Record, isNew bool) error {
	k, err := keyBytes(r.Key)
	if err != nil {
		return err
	}
	n, err := tx.number(k)
	if err != nil {
		return err
	}
	if isNew {
		r.Seq = n
	}
	return tx.put(bucketRecords, k, r)
}

// Written returns the number of the last record, or entry of the archive register, that was
// written or moved to another key. What is written after a listing began has a larger number, and
// is newer than what that listing says.
func (tx *Tx) Written() uint64 { return tx.meta.Sequences[bucketRecords] }

func (tx *Tx) putKeyed(bucket string, key planner.Key, v any) error {
	k, err := keyBytes(key)
	if err != nil {
		return err
	}
	return tx.put(bucket, k, v)
}

// DeleteRecord forgets a resource, and reports whether it was recorded.
func (tx *Tx) DeleteRecord(key planner.Key) (bool, error) {
	k, err := keyBytes(key)
	if err != nil {
		return false, err
	}
	return tx.del(bucketRecords, k)
}

// Rename moves the records and archive register entries of resources to other keys: now maps old
// keys to new ones. It returns the number of resources that it found.
func (tx *Tx) Rename(now map[planner.Key]planner.Key) (int, error) {
	found := map[planner.Key]bool{}
	for _, old := range slices.SortedFunc(maps.Keys(now), planner.Key.Compare) {
		r, ok, err := tx.Record(old)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		if _, err := tx.DeleteRecord(old); err != nil {
			return 0, err
		}
		r.Key = now[old]
		if err := tx.putRecord(r, false); err != nil {
			return 0, err
		}
		found[old] = true
	}
	register, err := tx.ArchiveRegister()
	if err != nil {
		return 0, err
	}
	for _, a := range register {
		k, ok := now[a.Key]
		if !ok {
			continue
		}
		found[a.Key], a.Key = true, k
		if err := tx.PutArchived(a); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// Record returns what is recorded of a resource, and whether anything is.
func (tx *Tx) Record(key planner.Key) (planner.Record, bool, error) {
	var r planner.Record
	k, err := keyBytes(key)
	if err != nil {
		return r, false, err
	}
	ok, err := tx.get(bucketRecords, k, &r)
	return r, ok, err
}

// Records returns all records, in the order of their keys.
func (tx *Tx) Records() ([]planner.Record, error) { return all[planner.Record](tx, bucketRecords) }

// RecordsOf returns the records of an item, on any system and of any data type, in the order of
// their keys. It reads no others.
func (tx *Tx) RecordsOf(item string) (out []planner.Record, err error) {
	if strings.Contains(item, "\x00") {
		return nil, nil // no key has it, and it would be the beginning of another item's keys
	}
	err = decodeEach(tx, bucketRecords, []byte(item+"\x00"), func(_ []byte, r planner.Record) error {
		out = append(out, r)
		return nil
	})
	return out, err
}

// RecordCount returns the number of records. It reads none.
func (tx *Tx) RecordCount() uint64 { return tx.meta.Tallies[bucketRecords].Count }

// PutRoot records the identity of a system's directory.
func (tx *Tx) PutRoot(system string, id planner.RootIdentity) error {
	return tx.put(bucketRoots, []byte(system), id)
}

// DeleteRoot forgets the identity of a system's directory, and reports whether it was recorded.
func (tx *Tx) DeleteRoot(system string) (bool, error) { return tx.del(bucketRoots, []byte(system)) }

// Roots returns the recorded identities of the systems' directories, by the system's name.
func (tx *Tx) Roots() (map[string]planner.RootIdentity, error) {
	out := map[string]planner.RootIdentity{}
	err := decodeEach(tx, bucketRoots, nil, func(k []byte, v planner.RootIdentity) error {
		out[string(k)] = v
		return nil
	})
	return out, err
}

// entered is an entry of the archive register as it is stored.
type entered struct {
	planner.Archived
	Number uint64 `json:"seq,omitempty"`
}

// numbered returns the entry with its number.
func (e entered) numbered() planner.Archived {
	e.Seq = e.Number
	return e.Archived
}

// PutArchived enters an archived directory into the register, and numbers it unless it has a
// number. Its place in the archive identifies it.
func (tx *Tx) PutArchived(a planner.Archived) error {
	if a.Archive == "" {
		return fmt.Errorf("archive register: the entry for %s has no place in the archive", a.Address)
	}
	if a.Seq == 0 {
		var err error
		if a.Seq, err = tx.number(nil); err != nil {
			return err
		}
	}
	return tx.put(bucketArchive, []byte(a.Archive), entered{a, a.Seq})
}

// DeleteArchived removes the directory at this place in the archive from the register, and reports
// whether it was there.
func (tx *Tx) DeleteArchived(archive string) (bool, error) {
	return tx.del(bucketArchive, []byte(archive))
}

// ArchiveRegister returns the register, in the order of places in the archive.
func (tx *Tx) ArchiveRegister() ([]planner.Archived, error) {
	var out []planner.Archived
	err := decodeEach(tx, bucketArchive, nil, func(_ []byte, e entered) error {
		out = append(out, e.numbered())
		return nil
	})
	return out, err
}

// Archived returns the newest entry of the register for each resource that has one.
func (tx *Tx) Archived() (map[planner.Key]planner.Archived, error) {
	out := map[planner.Key]planner.Archived{}
	err := decodeEach(tx, bucketArchive, nil, func(_ []byte, e entered) error {
		a := e.numbered()
		old, ok := out[a.Key]
		if !ok || a.Seq > old.Seq || a.Seq == old.Seq && a.At.After(old.At) {
			out[a.Key] = a
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ReplaceArchiveRegister rebuilds the register from the manifests that a rescan found.
func (tx *Tx) ReplaceArchiveRegister(found []planner.Archived) error {
	register, err := tx.ArchiveRegister()
	if err != nil {
		return err
	}
	numbers := make(map[string]uint64, len(register))
	for _, a := range register {
		numbers[a.Archive] = a.Seq
	}
	if err := tx.clear(bucketArchive, nil); err != nil {
		return err
	}
	for _, a := range found {
		a.Seq = numbers[a.Archive]
		if err := tx.PutArchived(a); err != nil {
			return err
		}
	}
	return nil
}

// Recorded returns everything on which planning depends. If a resource has several archived
// directories, it returns the newest.
func (tx *Tx) Recorded() (planner.Recorded, error) {
	out, err := tx.Waiting()
	if err != nil {
		return planner.Recorded{}, err
	}
	if out.Records, err = tx.records(); err != nil {
		return planner.Recorded{}, err
	}
	if out.Archived, err = tx.Archived(); err != nil {
		return planner.Recorded{}, err
	}
	return out, nil
}

// Waiting is [Tx.Recorded] without records and archive. A plan of nothing depends only on this.
func (tx *Tx) Waiting() (out planner.Recorded, err error) {
	if out.Roots, err = tx.Roots(); err != nil {
		return planner.Recorded{}, err
	}
	waiting, err := tx.Outbox()
	for _, d := range waiting {
		out.Undelivered = append(out.Undelivered, d.Undelivered())
	}
	return out, err
}

// Recorded calls [Tx.Recorded] in its own batch.
func (s *Store) Recorded() (out planner.Recorded, err error) {
	err = s.View(func(tx ledger.Tx) error {
		out, err = tx.Recorded()
		return err
	})
	return out, err
}
