package planner

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Key identifies a resource. The proxy repeats item ids: a tenant or customer has the same id for
// every data type. So the id alone is not enough. Item is a UUID of 32 lower-case hex digits
// without dashes. System is the proxy's storageSystem.key, an offering slug, and not the label of a
// system block.
type Key struct {
	Item     string `json:"item"`
	System   string `json:"system"`
	DataType string `json:"data_type"`
}

// Compare orders keys by item, system, data type.
func (k Key) Compare(o Key) int {
	return compareStrings([3]string{k.Item, k.System, k.DataType},
		[3]string{o.Item, o.System, o.DataType})
}

// Text formats the key for people.
func (k Key) Text() string { return k.Item + "/" + k.System + "/" + k.DataType }

// maxKeyPart is the most bytes that a part of a key may have. Real parts have some tens, and the
// state has to hold them.
const maxKeyPart = 255

// Unfit says why the state cannot hold a key, with the proxy's names of its parts; empty if it can.
func (k Key) Unfit() string {
	for _, part := range []struct{ member, text string }{
		{"itemId", k.Item}, {"storageSystem.key", k.System}, {"storageDataType.key", k.DataType},
	} {
		switch {
		case part.member == "itemId" && part.text == "":
			return "its itemId is empty"
		case len(part.text) > maxKeyPart:
			return fmt.Sprintf("its %s has %d bytes, the most allowed is %d", part.member,
				len(part.text), maxKeyPart)
		case !utf8.ValidString(part.text) || strings.ContainsFunc(part.text, unicode.IsControl):
			return fmt.Sprintf("its %s (%.40q) has control characters, or is not UTF-8", part.member,
				part.text)
		}
	}
	return ""
}

// Status is the proxy's name for the state of a resource.
type Status string

// The proxy's statuses; see [Statuses].
const (
	StatusPending  Status = "pending"
	StatusActive   Status = "active"
	StatusUpdating Status = "updating"
	StatusRemoving Status = "removing"
	StatusRemoved  Status = "removed"
	StatusError    Status = "error"
)

// Target says whom a resource is for.
type Target string

// The proxy's target types.
const (
	TargetTenant   Target = "tenant"
	TargetCustomer Target = "customer"
	TargetProject  Target = "project"
	TargetUser     Target = "user"
)

// IsBranch reports whether the target is a level of the tree above the resources. Such an item has
// no order, no group and no quota, and its directory is made only as an ancestor.
func (t Target) IsBranch() bool { return t == TargetTenant || t == TargetCustomer }

// Item is one entry of the proxy's listing, parsed and limited in size but not interpreted: its
// values are as the proxy gave them.
type Item struct {
	Key    Key
	Status Status
	// MountPath is the default of the mount point, unchanged. It is Waldur's backend_id if that is
	// set, so it can be anything.
	MountPath string
	// Permission is three or four octal digits, unchanged.
	Permission string
	Target     Target
	// Name is the target's name: the key of a tenant or customer, the name of a project's target, or
	// the primary project of a user.
	Name string
	// Parent is the item id of the node above, without dashes; empty if there is none.
	Parent string
	// GID is the group that the proxy names: unixGid of a project, or primaryProject.unixGid of a
	// user. It is not checked: negative and huge values occur.
	GID    int64
	HasGID bool
	// Quotas are the current limits; nil if the proxy says null, "not managed".
	Quotas *ProxyQuotas
	// NewQuotas are the limits that an update asks for; nil if the proxy says null, so that they are
	// unknown.
	NewQuotas *ProxyQuotas
	// URLs are the callbacks that the proxy offers, by name; nil if there are none.
	URLs map[Callback]string
	// Problem says which field of the item could not be read, and why. Such an item is blocked. It is
	// empty if there is no problem.
	Problem string
}

// KeysOf returns the keys of items.
func KeysOf(items []Item) map[Key]bool {
	keys := make(map[Key]bool, len(items))
	for i := range items {
		keys[items[i].Key] = true
	}
	return keys
}

// IsOrdered reports whether the status or the URLs mean that there is an open order.
func (it *Item) IsOrdered() bool {
	return it.Status != StatusActive && it.Status != StatusError &&
		intentByStatus(it.Status) != intentNothing ||
		it.Status == StatusError && (it.URLs[Approve] != "" || it.URLs[SetStateDone] != "")
}

// ProxyQuotas are limits as the proxy states them: space in tera, whose unit the configuration
// gives, and inodes in ones. Items with the same limits may share them, so they must not be
// changed.
type ProxyQuotas [NumLimits]Decimal

// Callback is a call to Waldur about an order or a resource.
type Callback string

// The callbacks, by the names that plans use. SetStateOK is never sent, because it leaves the order
// open.
const (
	Approve       Callback = "approve"
	SetBackendID  Callback = "set_backend_id"
	SetStateDone  Callback = "set_state_done"
	SetStateErred Callback = "set_state_erred"
	Reject        Callback = "reject"
	UpdateOptions Callback = "update_options"
	SetStateOK    Callback = "set_state_ok"
)

// PlannedCallbacks returns the callbacks that a plan can have. SetStateOK is not among them.
func PlannedCallbacks() []Callback {
	return []Callback{Approve, SetBackendID, UpdateOptions, SetStateDone, SetStateErred, Reject}
}

// AboutOrder reports whether the callback's URL names the order, so that its effect shows in the
// order's state. All other callbacks are about the resource.
func (c Callback) AboutOrder() bool {
	return c == Approve || c == Reject || c == SetStateDone || c == SetStateErred
}

// OrderType is Waldur's type of an order.
type OrderType string

// Waldur's order types; see [OrderTypes].
const (
	OrderCreate    OrderType = "Create"
	OrderUpdate    OrderType = "Update"
	OrderTerminate OrderType = "Terminate"
	// OrderRestore brings back a resource that was terminated.
	OrderRestore OrderType = "Restore"
)

// OrderState is Waldur's state of an order.
type OrderState string

// Waldur's order states; see [OrderStates].
const (
	OrderPendingConsumer  OrderState = "pending-consumer"
	OrderPendingProject   OrderState = "pending-project"
	OrderPendingStartDate OrderState = "pending-start-date"
	OrderPendingProvider  OrderState = "pending-provider"
	OrderExecuting        OrderState = "executing"
	OrderDone             OrderState = "done"
	OrderErred            OrderState = "erred"
	OrderCanceled         OrderState = "canceled"
	OrderRejected         OrderState = "rejected"
)

// Order is Waldur's answer about an order. The listing never names its type.
type Order struct {
	// ID is the order's UUID, 32 lower-case hex digits.
	ID    string
	Type  OrderType
	State OrderState
	// Resource is the id of the order's resource according to Waldur, 32 lower-case hex digits; empty
	// if Waldur does not say.
	Resource string
	// HasLimits reports whether the order changes limits: it has limits or old_limits.
	HasLimits bool
	// Options are the order's new_options; nil if it has none.
	Options *Options
	// Error is Waldur's error_message.
	Error string
}

// Options are the options of a resource that concern storage. A value that the order does not give
// is not set.
type Options struct {
	// Quotas are the given limits, by the options that [Attribute.Option] names.
	Quotas ProxyQuotas
	// Permission is octal digits; empty if the order does not change it.
	Permission string
}
