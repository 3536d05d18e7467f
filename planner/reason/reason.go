// Package reason has the stable codes of reasons and warnings. People script against them, so a
// code keeps its meaning, and a code that is no longer used is not used for something else.
// docs/reference/reasons.md is made from the table of this package.
package reason

// Code is the stable code of a reason or a warning. The text beside it in plans is for people and
// may change.
type Code string

// Kind says what a code is about.
type Kind string

// The kinds of codes.
const (
	Why       Kind = "why an action is planned"
	Dangerous Kind = "what makes an action dangerous"
	Blocking  Kind = "what blocks a resource or its quota"
	Waiting   Kind = "what a resource waits for"
	Warning   Kind = "warnings"
)

// Codes that say why an action is planned.
const (
	ActiveAbsent      Code = "active_absent"
	Adopt             Code = "adopt"
	Archive           Code = "archive"
	Archived          Code = "archived"
	Asked             Code = "asked"
	ContentKeepsGroup Code = "content_keeps_group"
	Drift             Code = "drift"
	ErrorTerminate    Code = "error_terminate"
	LimitsExist       Code = "limits_exist"
	LimitsStay        Code = "limits_stay"
	Missing           Code = "missing"
	OrderCreate       Code = "order_create"
	OrderRestore      Code = "order_restore"
	OrderTerminate    Code = "order_terminate"
	OrderUpdate       Code = "order_update"
	Override          Code = "override"
	Parent            Code = "parent"
	ParentsEnforced   Code = "parents_enforced"
	QuotaLeft         Code = "quota_left"
	Tag               Code = "tag"
	Unfinished        Code = "unfinished"
	WishChanged       Code = "wish_changed"
)

// Codes that say what makes an action dangerous.
const (
	AboveReplaced   Code = "above_replaced"
	ACL             Code = "acl"
	ACLMask         Code = "acl_mask"
	MaxMode         Code = "max_mode"
	Overcommit      Code = "overcommit"
	Replaced        Code = "replaced"
	TakenOver       Code = "taken_over"
	UnlimitedInodes Code = "unlimited_inodes"
	UnlimitedSpace  Code = "unlimited_space"
)

// Codes that say what blocks a resource or its quota.
const (
	Ambiguous         Code = "ambiguous"
	ClaimUnknown      Code = "claim_unknown"
	Conflict          Code = "conflict"
	DataType          Code = "data_type"
	GID               Code = "gid"
	Mode              Code = "mode"
	Moved             Code = "moved"
	NoCallback        Code = "no_callback"
	NoSystem          Code = "no_system"
	Obstructed        Code = "obstructed"
	OrderState        Code = "order_state"
	OrderTwice        Code = "order_twice"
	OrderResource     Code = "order_resource"
	OrderType         Code = "order_type"
	OrderUnknown      Code = "order_unknown"
	OrderURL          Code = "order_url"
	Owner             Code = "owner"
	Path              Code = "path"
	ProjectIds        Code = "project_ids"
	ProjectUnknown    Code = "project_unknown"
	Quota             Code = "quota"
	QuotaUnknown      Code = "quota_unknown"
	RootChanged       Code = "root_changed"
	Shared            Code = "shared"
	SoftAboveHard     Code = "soft_above_hard"
	SystemUnavailable Code = "system_unavailable"
	Unknown           Code = "unknown"
	Unstorable        Code = "unstorable"
	Unreadable        Code = "unreadable"
	UsageUnknown      Code = "usage_unknown"
)

// Codes that say what a resource waits for.
const (
	Hold             Code = "hold"
	OrderNotReady    Code = "order_not_ready"
	OrdersUnseen     Code = "orders_unseen"
	OrderOver        Code = "order_over"
	OrdersHeld       Code = "orders_held"
	PathBeingRemoved Code = "path_being_removed"
	Undelivered      Code = "undelivered"
)

// Codes of warnings.
const (
	ACLMore           Code = "acl_more"
	ActiveWithOrder   Code = "active_with_order"
	ArchivedHere      Code = "archived_here"
	ExcludeUnmatched  Code = "exclude_unmatched"
	Held              Code = "held"
	HoldUnmatched     Code = "hold_unmatched"
	MaxModeMore       Code = "max_mode_more"
	NewQuotasUnknown  Code = "new_quotas_unknown"
	NotArchived       Code = "not_archived"
	NoSoftLimits      Code = "no_soft_limits"
	NotFrozen         Code = "not_frozen"
	OrderNotAsked     Code = "order_not_asked"
	OrdersNotAsked    Code = "orders_not_asked"
	OverrideExpired   Code = "override_expired"
	OverrideUnmatched Code = "override_unmatched"
	ProjectUsed       Code = "project_used"
	QuotaAbove        Code = "quota_above"
	QuotaZero         Code = "quota_zero"
	RemovedStands     Code = "removed_stands"
	RemovedWithOrder  Code = "removed_with_order"
	Renamed           Code = "renamed"
	SelectionEmpty    Code = "selection_empty"
	SmallLimit        Code = "small_limit"
	TargetUnmatched   Code = "target_unmatched"
	Unlisted          Code = "unlisted"
)

// Info is the documentation of a code.
type Info struct {
	Code Code
	Kind Kind
	// Meaning is one or two sentences, for people.
	Meaning string
}

// All returns every code, sorted by kind and then by name.
func All() []Info {
	return []Info{
		{ActiveAbsent, Why, "Waldur lists the resource as active, its directory does not exist, " +
			"and it was never recorded: it is created."},
		{Adopt, Why, "The directory exists, is not recorded, and differs from what is wanted."},
		{Archive, Why, "The resource is recorded as archived, and wanted again: it is restored."},
		{Archived, Why, "The resource was archived, and its directory is restored."},
		{Asked, Why, "Somebody requested it on the command line."},
		{ContentKeepsGroup, Why,
			"The directory gets another group; the files in it keep the old group."},
		{Drift, Why, "Somebody changed the storage outside of cscs-sync."},
		{ErrorTerminate, Why, "The resource's status is error, and its order to end it is still open."},
		{LimitsExist, Why, "The id already has limits, and this says whose they are."},
		{LimitsStay, Why, "A restore leaves the limits of a shared quota as they are."},
		{Missing, Why, "The resource is recorded, and its directory is gone."},
		{OrderCreate, Why, "An order asks for the resource."},
		{OrderRestore, Why, "An order brings the resource back."},
		{OrderTerminate, Why, "An order ends the resource."},
		{OrderUpdate, Why, "An order changes the resource."},
		{Override, Why, "An override changes what the proxy asks for."},
		{Parent, Why, "Resources below a tenant or customer need its directory."},
		{ParentsEnforced, Why,
			`storage.parents is "enforce", so the directory of a tenant or customer gets its ` +
				"owner and mode."},
		{QuotaLeft, Why, "The quota of the directory's old id stays, with what it still counts."},
		{Tag, Why, "The directory has content under another project id, which gets the new id."},
		{Unfinished, Why,
			"An earlier apply left the directory unfinished and closed: this plan finishes it."},
		{WishChanged, Why, "The proxy asks for other values than before."},
		{AboveReplaced, Dangerous,
			"A directory above may be another one than before: no directory that is recorded " +
				"in it is there."},
		{ACL, Dangerous, "The directory has an access control list, which gives access to others."},
		{ACLMask, Dangerous,
			"A chmod changes the mask of an access control list, and so who has access."},
		{MaxMode, Dangerous, "The mode grants more than storage.max_mode allows."},
		{Overcommit, Dangerous, "Hard limits promise more than the system's overcommit allows."},
		{Replaced, Dangerous, "The directory at the path is not the recorded one."},
		{TakenOver, Dangerous, "The group or project id now belongs to somebody else."},
		{UnlimitedInodes, Dangerous, "After the change, there is no hard limit for inodes."},
		{UnlimitedSpace, Dangerous, "After the change, there is no hard limit for space."},
		{Ambiguous, Blocking, "Several resources match, so it is not clear which one is meant."},
		{ClaimUnknown, Blocking,
			"Resources share a quota, and the limits of some of them are not known."},
		{Conflict, Blocking, "Two resources have the same directory, or one is inside the other."},
		{DataType, Blocking, "cscs-sync does not know the data type."},
		{GID, Blocking, "The group id is missing, too small, or reserved."},
		{Mode, Blocking, "The mode that the proxy or an override gives cannot be used."},
		{Moved, Blocking, "The resource is recorded at another path or on another system."},
		{NoCallback, Blocking, "The order does not offer a callback that is needed."},
		{NoSystem, Blocking, "No system block matches the resource's storage system."},
		{Obstructed, Blocking, "A link, a file or another mount is at the path or above it."},
		{OrderState, Blocking,
			"The order is in a state that does not fit its type, or in an unknown one."},
		{OrderTwice, Blocking,
			"Two resources name the same order, but an order belongs to one resource."},
		{OrderResource, Blocking, "The order belongs to another resource."},
		{OrderType, Blocking,
			"The order is of a type that does not fit what is asked for, or of an unknown one."},
		{OrderUnknown, Blocking, "Waldur was asked about the order and gave no usable answer."},
		{OrderURL, Blocking, "A callback's URL does not have the one form that is allowed for it."},
		{Owner, Blocking, "The owner is one that may not own a directory."},
		{Path, Blocking, "The mount path is outside of the system, or has a form that is not allowed."},
		{ProjectIds, Blocking, "The range of project ids is used up."},
		{ProjectUnknown, Blocking, "The directory's project id could not be read."},
		{Quota, Blocking, "A limit is negative, zero, or more than a file system accepts."},
		{QuotaUnknown, Blocking, "The current limits could not be read."},
		{RootChanged, Blocking,
			"Another filesystem than the recorded one is mounted at the system's path."},
		{Shared, Blocking, "Several resources claim one quota, and the configuration does not say " +
			"how their limits combine."},
		{SoftAboveHard, Blocking, "The soft limit is above the hard limit."},
		{SystemUnavailable, Blocking,
			"The system is not mounted, or another filesystem is mounted there."},
		{Unknown, Blocking, "The directory could not be observed."},
		{Unstorable, Blocking,
			"The resource's key or path is too long, or has characters that the state cannot " +
				"store."},
		{Unreadable, Blocking, "The proxy's item could not be read."},
		{UsageUnknown, Blocking, "The usage is not known, so the limit cannot be lowered."},
		{Hold, Waiting, "Somebody has put a hold on it."},
		{OrderNotReady, Waiting,
			"Waldur offers no callbacks for the order yet: the customer has to approve it, " +
				"or its start date has not come."},
		{OrdersUnseen, Waiting,
			"The listing leaves out the orders of all resources: the proxy or Waldur removed " +
				"them."},
		{OrderOver, Waiting, "The order has ended."},
		{OrdersHeld, Waiting, "The order asks for quotas, which nobody sets on this system."},
		{PathBeingRemoved, Waiting, "Another resource at the same path is being removed first."},
		{Undelivered, Waiting, "Callbacks of an earlier apply have not reached Waldur yet."},
		{ACLMore, Warning, "More directories have access control lists than are named."},
		{ActiveWithOrder, Warning,
			"The resource is active but still has callbacks of an order: cscs-sync sends none."},
		{ArchivedHere, Warning, "Another resource's directory was archived from this path."},
		{ExcludeUnmatched, Warning, "An exclusion matches no listed resource, so it excludes nothing."},
		{Held, Warning, "The policy does not approve the action: it waits for a person."},
		{HoldUnmatched, Warning,
			"A hold matches nothing that is listed or recorded, so it protects nothing."},
		{MaxModeMore, Warning, "More directories have such modes than are named."},
		{NewQuotasUnknown, Warning, "An update does not name a limit, so that limit stays as it is."},
		{NotArchived, Warning, "No archived directory has the address that is to be restored."},
		{NoSoftLimits, Warning,
			"A soft limit is wanted where the storage has none: only the hard limit applies."},
		{NotFrozen, Warning,
			"The quota of a removed resource is not frozen, because others use it."},
		{OrderNotAsked, Warning, "Waldur was not asked about the order, or did not answer."},
		{OrdersNotAsked, Warning,
			"After Waldur did not answer about one order, cscs-sync did not ask about the others."},
		{OverrideExpired, Warning, "An override has expired, and is ignored."},
		{OverrideUnmatched, Warning, "An override matches nothing."},
		{ProjectUsed, Warning, "Files of somebody else already have the project id."},
		{QuotaAbove, Warning,
			"A directory above has a quota that somebody else set; it limits this directory too."},
		{QuotaZero, Warning, "The proxy gives a limit of 0, whose meaning is not known."},
		{RemovedStands, Warning,
			"The proxy lists the resource as removed, but its directory still exists."},
		{RemovedWithOrder, Warning,
			"The proxy lists the resource as removed, but it still has an order."},
		{Renamed, Warning, "The proxy has a new name for a system: the records follow."},
		{SelectionEmpty, Warning, "The selection matches nothing."},
		{SmallLimit, Warning, "The limit is so small that storage enforces it only roughly."},
		{TargetUnmatched, Warning, "A target matches no listed resource."},
		{Unlisted, Warning, "The resource is recorded, and the proxy no longer lists it."},
	}
}
