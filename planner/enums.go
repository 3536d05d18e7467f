package planner

import "slices"

// The enumerations of the proxy and Waldur, as the recorded client and the recorded answers have
// them. Each is closed here: only the listed values are acted on. The next release of the proxy or
// of Waldur may add values, so an unlisted value is never taken for a listed one. What an unknown
// value does:
//
//	enumeration       of          an unknown value
//	Status            the proxy   blocks the item (the parser: [Item.Problem])
//	Target            the proxy   blocks the item (the parser)
//	permission type   the proxy   blocks the item (the parser): only "octal"
//	quota type, unit  the proxy   blocks the item (the parser): "space" in "tera", "inodes" in
//	                              "none", "soft" or "hard"
//	data type         the proxy   blocks the resource ([Desire])
//	OrderType         Waldur      blocks the resource
//	OrderState        Waldur      blocks the resource; an apply neither acts on the order nor calls
//	                              it over
//
// The following are open, because unknown values are not needed: members of an object, callback
// URLs beyond [Callback], storage file systems (one constant for all systems), offering types,
// resource states, and the texts of answers.

// DataTypes returns the proxy's data types.
func DataTypes() []string { return []string{"archive", "scratch", "store", "users"} }

// Statuses returns the proxy's statuses.
func Statuses() []Status {
	return []Status{StatusPending, StatusActive, StatusUpdating, StatusRemoving, StatusRemoved,
		StatusError}
}

// OrderTypes are Waldur's order types.
func OrderTypes() []OrderType {
	return []OrderType{OrderCreate, OrderUpdate, OrderTerminate, OrderRestore}
}

// OrderStates are Waldur's order states.
func OrderStates() []OrderState {
	return []OrderState{OrderPendingConsumer, OrderPendingProject, OrderPendingStartDate,
		OrderPendingProvider, OrderExecuting,
		OrderDone, OrderErred, OrderCanceled, OrderRejected}
}

// IsKnown reports whether s is one of [Statuses].
func (s Status) IsKnown() bool { return slices.Contains(Statuses(), s) }

// IsKnown reports whether t is one of [OrderTypes].
func (t OrderType) IsKnown() bool { return slices.Contains(OrderTypes(), t) }

// IsKnown reports whether s is one of [OrderStates].
func (s OrderState) IsKnown() bool { return slices.Contains(OrderStates(), s) }
