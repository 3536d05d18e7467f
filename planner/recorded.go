package planner

import "time"

// Recorded is what the state holds and planning depends on. The zero value is an empty state, which
// is always safe: it makes plans more careful, never less.
type Recorded struct {
	Records  Records
	Archived map[Key]Archived
	// Roots are keyed by system name.
	Roots map[string]RootIdentity
	// Undelivered are callbacks of earlier applies that have not reached Waldur yet, in order.
	Undelivered []Undelivered
}

// Undelivered is a callback that waits in the outbox.
type Undelivered struct {
	Key      Key       `json:"key"`
	Address  string    `json:"address"`
	Order    string    `json:"order"`
	Callback Callback  `json:"callback"`
	Since    time.Time `json:"since"`
	// Problem says why it was not delivered. Parked reports whether only a person can continue.
	Problem string `json:"problem"`
	Parked  bool   `json:"parked"`
}

// Words says since when a callback waits, and why, for a sentence about it. show formats the time.
func (u *Undelivered) Words(show func(time.Time) string) string {
	words := "is waiting to be delivered"
	if u.Parked {
		words = "is parked until a person looks at it"
	}
	if !u.Since.IsZero() {
		words += ", since " + show(u.Since)
	}
	if u.Problem != "" {
		words += ": " + Clause(u.Problem)
	}
	return words
}
