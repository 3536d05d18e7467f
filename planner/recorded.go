package planner

import "time"

// Record is what was last seen as wanted of a resource: written by an apply, or by an audit that found it as wanted.
type Record struct {
	Key     Key    `json:"key"`
	Address string `json:"address"`
	// System is the label of the system block; Storage the storage path.
	System  string `json:"system"`
	Storage string `json:"storage"`
	Target  Target `json:"target"`
	Inode   uint64 `json:"inode"`
	// Born is when the directory was made, in nanoseconds since 1970; 0 where the filesystem does not say.
	Born  int64 `json:"born,omitempty"`
	Owner UID   `json:"owner"`
	Group GID   `json:"group"`
	Mode  Mode  `json:"mode"`
	// ACL is what its ACL gave beyond the mode: [ACL.Beyond].
	ACL string `json:"acl,omitempty"`
	// Project is the directory's project id; 0 if the system does not use them.
	Project ProjectID `json:"project_id,omitempty"`
	// QuotaBy and QuotaID are the identity claimed; empty if none. Claim is what this resource alone claims of it.
	QuotaBy QuotaBy   `json:"quota_by,omitempty"`
	QuotaID uint32    `json:"quota_id,omitempty"`
	Claim   Limits    `json:"claim"`
	Plan    string    `json:"plan"`
	At      time.Time `json:"at"`
	// Seq is the number of its last writing: the state gives it, and clocks have no part in it.
	Seq uint64 `json:"-"`
	// Unfinished marks a directory that an apply made, could not finish, and left closed: all that is known of it is where it
	// is and which. It claims nothing.
	Unfinished bool `json:"unfinished,omitempty"`
}

// Archived is one entry of the archive register: a directory that was moved out of the way and is kept.
type Archived struct {
	Key     Key    `json:"key"`
	Address string `json:"address"`
	System  string `json:"system"`
	// Storage is where it was; Archive where it lies now. Both are storage paths.
	Storage string `json:"storage"`
	Archive string `json:"archive"`
	Inode   uint64 `json:"inode"`
	Owner   UID    `json:"owner"`
	Group   GID    `json:"group"`
	Mode    Mode   `json:"mode"`
	// Project is the project id, null if the system does not use them.
	Project Value   `json:"project_id"`
	QuotaBy QuotaBy `json:"quota_by,omitempty"`
	QuotaID uint32  `json:"quota_id,omitempty"`
	Claim   Limits  `json:"claim"`
	Order   string  `json:"order,omitempty"`
	Plan    string  `json:"plan"`
	// At is when it was archived; Until the end of its retention.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Seq is the number of its entering, in one sequence with those of records.
	Seq uint64 `json:"-"`
}

// Recorded is what the state holds that planning depends on. The zero value is an empty state, which is always safe: it
// makes plans more careful, never less.
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
	// Problem is why it was not delivered; Parked tells that only a person can go on.
	Problem string `json:"problem"`
	Parked  bool   `json:"parked"`
}

// Words says since when a callback waits, and why, for a sentence about it; show writes the time.
func (u *Undelivered) Words(show func(time.Time) string) string {
	words := "waits to be delivered"
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
