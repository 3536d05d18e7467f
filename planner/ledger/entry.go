package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// The events of the history.
const (
	EventBegin = "begin"
	// EventChanges follows the begin of a plan if one entry cannot hold all that the plan changes.
	EventChanges = "changes"
	EventResume  = "resume"
	EventJournal = "journal"
	EventFinish  = "finish"
	EventAbandon = "abandon"
	EventDrop    = "drop"
	// EventRenamed, EventShrunk and EventOrderOver are noted by the loop and by applies.
	EventRenamed   = "renamed"
	EventShrunk    = "accept-shrunk"
	EventOrderOver = "order-over"
	// EventHold, EventUnhold, EventRemove and EventRescan are noted for what people do without a plan.
	EventHold   = "hold"
	EventUnhold = "unhold"
	EventRemove = "remove"
	EventRescan = "rescan"
	// EventTake means that this state has taken a system from another state.
	EventTake = "take"
)

// Entry is one entry of the history. Each has the hash of the one before it, so that nothing before
// a known hash can be changed, removed or reordered unnoticed.
type Entry struct {
	// Seq counts from 1 without gaps.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Who  string    `json:"who"`
	Host string    `json:"host,omitempty"`
	// Event is one of the Event constants, or a name chosen by the caller.
	Event     string     `json:"event"`
	Plan      string     `json:"plan,omitempty"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Counts are numbers of resources, by result: done, failed, skipped, …
	Counts map[string]int `json:"counts,omitempty"`
	Text   string         `json:"text,omitempty"`
	// Steps are the last steps of each resource of a plan that ended.
	Steps []Step `json:"steps,omitempty"`
	// Changed is what a plan that begins is to change.
	Changed []Changed `json:"changed,omitempty"`
	// Prev is the hash of the entry before; empty for the first.
	Prev string `json:"prev"`
	// Hash is the SHA-256, in hex, of the entry as JSON without this member.
	Hash string `json:"hash,omitempty"`
}

// Sum returns the hash that the entry must have.
func (e Entry) Sum() (string, error) {
	e.Hash = ""
	body, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	return Sum(body), nil
}

// Sum returns the hash of an entry that is body as JSON without its hash.
func Sum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
