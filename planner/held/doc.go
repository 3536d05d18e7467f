// Package held has the plans that wait for a person: where they are in the state, what people need
// to know about them, and which of them were rejected.
package held

import (
	"fmt"
	"path"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// Where held plans are among the state's files ([ledger.Files]), and how their names end.
const (
	Folder         = "pending"
	planSuffix     = ".plan"
	rejectedSuffix = ".rejected"
)

// The events of the history about held plans.
const (
	eventReject   = "reject"
	eventUnreject = "unreject"
	eventForget   = "forget-rejection"
)

// rejectedName returns the name of the state's file that records the rejection of a plan.
func rejectedName(id string) string {
	return path.Join(Folder, canonical.ShortID(id)+rejectedSuffix)
}

// Usable reads a plan file that may be approved and applied. why says why this version can't use
// it. err means that nothing is known about it.
func Usable(data []byte, name string) (file *planfile.File, why, err error) {
	file, err = planfile.Parse(data)
	if err == nil {
		return file, file.Check(), nil
	}
	err = fmt.Errorf("plan %s: %w", name, err)
	if engine.IsRefused(err) {
		return nil, err, nil
	}
	return nil, nil, err
}

// isPlan reports whether a name in the folder is the name of a plan file.
func isPlan(name string) bool { return strings.HasSuffix(name, planSuffix) }
