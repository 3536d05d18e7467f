package ledger

// Person is who does something to the state, and where. The history keeps it.
type Person struct{ Who, Host string }

// Notes appends an event to the history.
func (p Person) Notes(tx History, event, text string) error {
	return p.NotesOf(tx, event, "", text)
}

// NotesOf appends an event about a plan to the history.
func (p Person) NotesOf(tx History, event, plan, text string) error {
	_, err := tx.AppendHistory(Entry{Who: p.Who, Host: p.Host, Event: event, Plan: plan, Text: text})
	return err
}
