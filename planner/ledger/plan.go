package ledger

import (
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Result says how a plan that has begun ended, or that it has not.
type Result string

// The results. A plan that was interrupted has not ended: the next apply continues it.
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
	// Digest identifies the approval, which may be used once. It is the SHA-256, in hex, of the
	// message and of the key that signed it, whatever the encoding of the signature.
	Digest string `json:"digest"`
}

// PlanStart is a plan that is about to begin.
type PlanStart struct {
	// ID is the plan id. Context is the SHA-256 of the whole machine's part. Made is when the plan was
	// made, and Ledger is the number of the history's last entry then ([Tx.Head]).
	ID, Context string
	Made        time.Time
	Ledger      uint64
	// Keys are the resources that it changes.
	Keys []planner.Key
	// Changed is what it changes about them, for the history.
	Changed []Changed
	// Approvals are the approvals that counted.
	Approvals []Approval
	Who, Host string
}

// Plan is what the ledger knows about a plan that has begun.
type Plan struct {
	ID      string    `json:"id"`
	Context string    `json:"context"`
	Made    time.Time `json:"made"`
	Ledger  uint64    `json:"ledger,omitempty"`
	Begun   time.Time `json:"begun"`
	By      string    `json:"by"`
	Host    string    `json:"host,omitempty"`
	// Resources is the number of resources that it changes.
	Resources int        `json:"resources"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Steps is the number of steps in the journal so far.
	Steps uint64 `json:"steps"`
	// Result is empty while the plan runs for the first time.
	Result Result `json:"result,omitempty"`
	// Ended is when the result was recorded. EndedSeq is the number of the history's entry about it.
	Ended    time.Time `json:"ended"`
	EndedSeq uint64    `json:"ended_seq,omitempty"`
	// EndedBy says who ended it, and Why says why.
	EndedBy string         `json:"ended_by,omitempty"`
	Why     string         `json:"why,omitempty"`
	Counts  map[string]int `json:"counts,omitempty"`
}

// Over reports whether the plan has ended: it can never run again.
func (p Plan) Over() bool { return p.Result != "" && p.Result != Interrupted }

// Renewed reports whether a plan with this id is a new one, made after this one had ended. ledger
// is the number of the history's last entry when it was made. Clocks are not used.
func (p Plan) Renewed(ledger uint64) bool { return p.EndedSeq > 0 && ledger >= p.EndedSeq }

// Supersession says that a plan that was made later has begun for a resource.
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
	// Name is the name of the step. Package apply decides what the names mean.
	Name  string    `json:"name"`
	Inode uint64    `json:"inode,omitempty"`
	Note  string    `json:"note,omitempty"`
	At    time.Time `json:"at"`
}
