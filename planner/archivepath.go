package planner

import (
	"path"
	"time"
)

// ArchivePath is where an archived directory goes: <Folder>/<time the plan was made>-<short id>-<name>, a storage path. The
// short id is the first 8 digits of the order, or of the item where there is no order. Apply and the rendering of plans
// both take it from here.
func (a *Action) ArchivePath(made time.Time) string {
	id := a.Order
	if id == "" {
		id = a.Key.Item
	}
	return path.Join(a.Folder, made.UTC().Format("20060102T150405Z")+"-"+ShortID(id)+"-"+path.Base(a.Storage))
}
