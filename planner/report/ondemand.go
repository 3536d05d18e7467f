package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// block is the unit of Open OnDemand's block counts, in bytes.
const block = 1024

// onDemand is version 1 of Open OnDemand's quota file. Open OnDemand shows each user the quotas
// that have this user.
type onDemand struct {
	Version   int             `json:"version"`
	Timestamp int64           `json:"timestamp"`
	Quotas    []onDemandQuota `json:"quotas"`
}

// onDemandQuota is one quota. A limit of 0 means that there is none.
type onDemandQuota struct {
	Type       string `json:"type"`
	User       string `json:"user"`
	Path       string `json:"path"`
	BlockUsage uint64 `json:"total_block_usage"`
	BlockLimit uint64 `json:"block_limit"`
	FileUsage  uint64 `json:"total_file_usage"`
	FileLimit  uint64 `json:"file_limit"`
}

// OnDemand returns the quota file of Open OnDemand: the quotas of users' directories, by the users'
// names. It leaves out what is not known. A quota that others share is never shown as one user's.
func (r *Report) OnDemand(now time.Time) ([]byte, error) {
	file := onDemand{Version: 1, Timestamp: now.Unix(), Quotas: []onDemandQuota{}}
	for i := range r.Resources {
		x := &r.Resources[i]
		space, ok1 := x.space().Used.Number()
		files, ok2 := x.inodes().Used.Number()
		spaceLimit, ok3 := limit(x.space().Hard)
		filesLimit, ok4 := limit(x.inodes().Hard)
		if x.Target != planner.TargetUser || x.Name == "" || x.Sharing > 1 || !ok1 || !ok2 ||
			!ok3 || !ok4 {
			continue
		}
		file.Quotas = append(file.Quotas, onDemandQuota{"user", x.Name, x.Address, blocks(space),
			spaceLimit / block, files, filesLimit})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return render.EscapeJSON(append(data, '\n')), nil
}

// blocks returns how many blocks an amount takes.
func blocks(n uint64) uint64 {
	if n%block > 0 {
		return n/block + 1
	}
	return n / block
}

// limit returns a limit as Open OnDemand has it; false if it is not known.
func limit(v planner.Value) (uint64, bool) {
	if v.IsUnlimited() {
		return 0, true
	}
	return v.Number()
}
