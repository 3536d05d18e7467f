package ledger

import (
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Result is how a plan that has begun ended, or stands.
type Result string

// The results. A plan that was interrupted has not ended: apply of it goes on.
const (
	Done        Result = "done"
	Partial     Result = "partial"
	Interrupted Result = "interrupted"
	Abandoned   Result = "abandoned"
)

// Approval is the summary of an approval that let a plan run.
type Approval struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
	// Kind is "signed", "local" or "policy".
	Kind    string `json:"kind,omitempty"`
	Ticket  string `json:"ticket,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Digest identifies the approval, which is single-use: the SHA-256, in hex, of the message and
	// of the key that signed it, whatever the encoding of the signature.
	Digest string `json:"digest"`
}

// PlanStart is a plan that is about to begin.
type PlanStart struct {
	// ID is the plan id; Context the SHA-256 of the whole machine's part; Made when the plan was
	// made, and Ledger the number of the last entry of the history then ([Tx.Head]).
	ID, Context string
	Made        time.Time
	Ledger      uint64
	// Keys are the resources that it touches.
	Keys []planner.Key
	// Changed is what it changes of them, for the history.
	Changed []Changed
	// Approvals are those that were counted.
	Approvals []Approval
	Who, Host string
}

// Plan is what the ledger knows of a plan that has begun.
type Plan struct {
	ID      string    `json:"id"`
	Context string    `json:"context"`
	Made    time.Time `json:"made"`
	Ledger  uint64    `json:"ledger,omitempty"`
	Begun   time.Time `json:"begun"`
	By      string    `json:"by"`
	Host    string    `json:"host,omitempty"`
	// Resources counts the resources that it touches.
	Resources int        `json:"resources"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Steps counts the journal's steps so far.
	Steps uint64 `json:"steps"`
	// Result is empty while the plan runs for the first time.
	Result Result `json:"result,omitempty"`
	// Ended is when the result was noted, EndedSeq the number of the history's entry of it.
	Ended    time.Time `json:"ended"`
	EndedSeq uint64    `json:"ended_seq,omitempty"`
	// EndedBy is who ended it, and Why what was said about it.
	EndedBy string         `json:"ended_by,omitempty"`
	Why     string         `json:"why,omitempty"`
	Counts  map[string]int `json:"counts,omitempty"`
}

// Over reports whether the plan has ended: it can never run again.
func (p Plan) Over() bool { return p.Result != "" && p.Result != Interrupted }

// Renewed reports whether a plan with this id, made when the history's last entry was number
// ledger, is a new one: made after this one has ended. Clocks have no part in it.
func (p Plan) Renewed(ledger uint64) bool { return p.EndedSeq > 0 && ledger >= p.EndedSeq }

// Supersession reports whether a plan made later has begun for a resource.
type Supersession struct {
	Key  planner.Key
	Plan string
	Made time.Time
}

// StepDone is the name of the last step of a resource that was done.
const StepDone = "done"

// Step is one step of a begun plan that was done: one line of its journal.
type Step struct {
	Key planner.Key `json:"key"`
	// Name is the step's; apply decides what the names mean.
	Name  string    `json:"name"`
	Inode uint64    `json:"inode,omitempty"`
	Note  string    `json:"note,omitempty"`
	At    time.Time `json:"at"`
}
