// Package upkeep has what people do to the state beside plans: holds, callbacks that wait, and the
// register of the archive. It changes the state, says what is in it, and touches no storage.
package upkeep

import "github.com/waldur/cscs-storage-sync/planner/ledger"

// Person is who does something, and where. The history keeps it.
type Person struct{ Who, Host string }

// Notes appends an event to the history.
func (p Person) Notes(tx ledger.History, event, text string) error {
	_, err := tx.AppendHistory(ledger.Entry{Who: p.Who, Host: p.Host, Event: event, Text: text})
	return err
}
