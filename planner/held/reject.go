package held

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// keepRejections is how long a rejection is kept after nothing would hold its plan any more.
const keepRejections = 7 * 24 * time.Hour

// Rejection is a held plan that somebody does not want. The loop does not hold it again.
type Rejection struct {
	Name   string    `json:"name"`
	Plan   string    `json:"plan"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Addresses are the plan's resources. Earlier builds did not keep them.
	Addresses []string `json:"addresses,omitempty"`
}

// Rejected returns the rejections, newest first.
func Rejected(tx ledger.Tx) ([]Rejection, error) {
	rejected := []Rejection{}
	err := tx.EachFile(Folder+"/", func(name string, data []byte) error {
		if !strings.HasSuffix(name, rejectedSuffix) {
			return nil
		}
		var r Rejection
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("rejected plan %s: %w", name, err)
		}
		rejected = append(rejected, r)
		return nil
	})
	slices.SortStableFunc(rejected, func(a, b Rejection) int { return b.At.Compare(a.At) })
	return rejected, err
}

// IsRejected reports whether somebody rejected the plan with this id.
func IsRejected(tx ledger.Tx, id string) (bool, error) {
	_, found, err := tx.File(rejectedName(id))
	return found, err
}

// Reject removes the held plan that ref names, and remembers that by has rejected it.
func Reject(tx ledger.Tx, ref, reason string, by ledger.Person) (Plan, error) {
	plans, _, err := Waiting(tx, "")
	if err != nil {
		return Plan{}, err
	}
	w, err := Find(ref, plans)
	if err != nil {
		return w, err
	}
	data, err := json.Marshal(Rejection{w.Name, w.ID, reason, by.Who,
		tx.Now().Truncate(time.Second), w.Addresses})
	if err != nil {
		return w, fmt.Errorf("reject %s: %w", w.Name, err)
	}
	if err := tx.PutFile(rejectedName(w.ID), append(data, '\n')); err != nil {
		return w, err
	}
	if err := remove(tx, w.nameOf()); err != nil {
		return w, err
	}
	return w, by.NotesOf(tx, eventReject, w.ID, because("held plan "+w.Name+" rejected", reason))
}

// RemoveUnusable removes the held plan in a file of this name, such as 0a1b2c3d4e5f.plan, if nobody
// can use it. It has no id that could be trusted, so no rejection is kept: the loop holds its
// changes again.
func RemoveUnusable(tx ledger.Tx, file, reason string, by ledger.Person) (removed bool, err error) {
	_, unusable, err := Waiting(tx, "")
	if err != nil || !slices.ContainsFunc(unusable, func(u Unusable) bool {
		return filepath.Base(u.File) == file
	}) {
		return false, err
	}
	if err := remove(tx, path.Join(Folder, file)); err != nil {
		return false, err
	}
	return true, by.NotesOf(tx, eventReject, "",
		because("held plan "+file+" removed, which could not be used", reason))
}

// because adds a person's reason to a text, if there is one.
func because(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}

// Unreject removes the rejection that ref names.
func Unreject(tx ledger.Tx, ref string, by ledger.Person) (Rejection, error) {
	rejected, err := Rejected(tx)
	if err != nil {
		return Rejection{}, err
	}
	r, err := findRejected(ref, rejected)
	if err != nil {
		return r, err
	}
	if _, err := tx.DeleteFile(rejectedName(r.Plan)); err != nil {
		return r, err
	}
	return r, by.NotesOf(tx, eventUnreject, r.Plan, "rejection of "+r.Name+" removed")
}

// Forgettable returns the rejections that are older than keepRejections and whose plans a
// complete audit would not hold, because their resources are gone or other values are wanted. now
// has the ids of the rejected plans that it would hold.
func Forgettable(tx ledger.Tx, now map[string]bool) ([]Rejection, error) {
	rejected, err := Rejected(tx)
	return slices.DeleteFunc(rejected, func(r Rejection) bool {
		return now[r.Plan] || tx.Now().Sub(r.At) < keepRejections
	}), err
}

// Forget removes the rejections that are [Forgettable].
func Forget(tx ledger.Tx, now map[string]bool, by ledger.Person) error {
	rejected, err := Forgettable(tx, now)
	for _, r := range rejected {
		if err != nil {
			break
		}
		if _, err = tx.DeleteFile(rejectedName(r.Plan)); err == nil {
			err = by.NotesOf(tx, eventForget, r.Plan, "rejection of "+r.Name+" forgotten: nothing "+
				"would hold that plan any more")
		}
	}
	return err
}

// remove removes a held plan, and the markers that say that it was reported.
func remove(tx ledger.Tx, name string) error {
	if _, err := tx.DeleteFile(name); err != nil {
		return err
	}
	var told []string
	stem := strings.TrimSuffix(name, planSuffix) + "."
	err := tx.EachFile(stem, func(name string, _ []byte) error {
		if strings.HasSuffix(name, ".told") {
			told = append(told, name)
		}
		return nil
	})
	for _, name := range told {
		if err == nil {
			_, err = tx.DeleteFile(name)
		}
	}
	return err
}

// ByAddress returns the rejections by the addresses of their resources, each as one line.
func ByAddress(rejected []Rejection) map[string]string {
	by := map[string]string{}
	for _, r := range rejected {
		line := fmt.Sprintf("%s by %s: %s", planner.Minute(r.At), r.By, r.Name)
		if r.Reason != "" {
			line += ": " + r.Reason
		}
		for _, address := range r.Addresses {
			by[address] = line
		}
	}
	return by
}
