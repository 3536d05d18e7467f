package feedback

import "github.com/waldur/cscs-storage-sync/planner/reason"

// The messages that customers get about an order that waits. They say what kind of thing is missing
// and nothing about the site: no path, no rule, and no name of a person.
const (
	// HeldMessage is for an order that a person has to approve.
	HeldMessage = "This order waits for the approval of a person at the storage provider."
	// onHoldMessage is for an order whose resource is on hold.
	onHoldMessage = "The storage provider has put this order on hold."
	blocked       = "This order cannot be carried out yet, and the storage provider knows of it."
)

// Blocked returns the message for an order that is blocked. It includes the meaning of the reason's
// code if that helps a customer.
func Blocked(code reason.Code) string {
	switch code {
	case reason.Hold:
		return onHoldMessage
	case reason.GID:
		return blocked + " The project has no group on the storage system that could be used."
	case reason.Quota, reason.SoftAboveHard:
		return blocked + " Its limits cannot be set as they were ordered."
	case reason.Conflict, reason.Obstructed, reason.Path:
		return blocked + " Its directory cannot be made where it belongs."
	case reason.SystemUnavailable, reason.Unknown, reason.RootChanged:
		return blocked + " The storage system cannot be reached at the moment."
	}
	return blocked
}
