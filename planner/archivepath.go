package planner

import (
	"path"
	"time"
)

// ArchiveTime stands in plans for the time at which the plan begins, which is not known before.
const ArchiveTime = "YYYYMMDDThhmmssZ"

// ArchivePath returns the storage path that an archived directory goes to: <Folder>/<time the plan
// began>-<short id>-<name>. The short id is the first 8 digits of the order, or of the item if
// there is no order. The time is the ledger's, so a plan that resumes makes the same name, and
// nothing that can be edited in a plan decides it.
func (a *Action) ArchivePath(begun time.Time) string {
	return a.archivePath(begun.UTC().Format("20060102T150405Z"))
}

// ArchivePlace returns [Action.ArchivePath] as plans show it, with [ArchiveTime] for the time.
func (a *Action) ArchivePlace() string { return a.archivePath(ArchiveTime) }

func (a *Action) archivePath(when string) string {
	id := a.Order
	if id == "" {
		id = a.Key.Item
	}
	return path.Join(a.Folder, when+"-"+ShortID(id)+"-"+path.Base(a.Storage))
}
