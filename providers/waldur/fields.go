package waldur

import (
	"cmp"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// field is a place in the proxy's or Waldur's JSON that is read. All other members are checked for
// valid JSON and skipped, including unixUid and email, which the proxy makes up.
type field uint8

const (
	unread field = iota

	// Roots: a whole text, an item, or an entry of quotas.
	inPage
	inItem
	inQuota
	inOrder

	pageStatus
	pageDetail
	pageResources
	pagination
	pageCurrent
	pageLimit
	pageTotal
	pageFilters
	filterSystem

	itemID
	itemStatus
	itemMount
	itemMountDefault
	itemPermission
	itemPermissionValue
	itemPermissionType
	itemSystem
	itemSystemKey
	itemDataType
	itemDataTypeKey
	itemTarget
	itemTargetType
	itemTargetItem
	itemTargetKey
	itemTargetName
	itemTargetGID
	itemPrimary
	itemPrimaryName
	itemPrimaryGID
	itemQuotas
	itemNewQuotas
	itemParent
	itemApprove
	itemReject
	itemSetBackendID
	itemSetStateDone
	itemSetStateErred
	itemSetStateOK
	itemUpdateOptions

	quotaType
	quotaNumber
	quotaUnit
	quotaEnforcement

	orderUUID
	orderType
	orderState
	orderResource
	orderError
	orderLimits
	orderAttributes
	orderOldLimits
	orderNewOptions
	optionHardSpace
	optionSoftInodes
	optionHardInodes
	optionPermissions

	fields
)

// The first and last fields of an item, and of an entry of quotas.
const (
	firstItemField, lastItemField   = itemID, itemUpdateOptions
	firstQuotaField, lastQuotaField = quotaType, quotaEnforcement
)

// member is the place of a field: the member called name of the object at field in.
type member struct {
	in   field
	name string
}

// table has the place of every field that is read.
var table = [fields]member{
	pageStatus:    {inPage, "status"},
	pageDetail:    {inPage, "detail"},
	pageResources: {inPage, "resources"},
	pagination:    {inPage, "pagination"},
	pageCurrent:   {pagination, "current"},
	pageLimit:     {pagination, "limit"},
	pageTotal:     {pagination, "total"},
	pageFilters:   {inPage, "filters_applied"},
	filterSystem:  {pageFilters, "storage_system"},

	itemID:              {inItem, "itemId"},
	itemStatus:          {inItem, "status"},
	itemMount:           {inItem, "mountPoint"},
	itemMountDefault:    {itemMount, "default"},
	itemPermission:      {inItem, "permission"},
	itemPermissionValue: {itemPermission, "value"},
	itemPermissionType:  {itemPermission, "permissionType"},
	itemSystem:          {inItem, "storageSystem"},
	itemSystemKey:       {itemSystem, "key"},
	itemDataType:        {inItem, "storageDataType"},
	itemDataTypeKey:     {itemDataType, "key"},
	itemTarget:          {inItem, "target"},
	itemTargetType:      {itemTarget, "targetType"},
	itemTargetItem:      {itemTarget, "targetItem"},
	itemTargetKey:       {itemTargetItem, "key"},
	itemTargetName:      {itemTargetItem, "name"},
	itemTargetGID:       {itemTargetItem, "unixGid"},
	itemPrimary:         {itemTargetItem, "primaryProject"},
	itemPrimaryName:     {itemPrimary, "name"},
	itemPrimaryGID:      {itemPrimary, "unixGid"},
	itemQuotas:          {inItem, "quotas"},
	itemNewQuotas:       {inItem, "newQuotas"},
	itemParent:          {inItem, "parentItemId"},
	itemApprove:         {inItem, "approve_by_provider_url"},
	itemReject:          {inItem, "reject_by_provider_url"},
	itemSetBackendID:    {inItem, "set_backend_id_url"},
	itemSetStateDone:    {inItem, "set_state_done_url"},
	itemSetStateErred:   {inItem, "set_state_erred_url"},
	itemSetStateOK:      {inItem, "set_state_ok_url"},
	itemUpdateOptions:   {inItem, "update_resource_options_url"},

	quotaType:        {inQuota, "type"},
	quotaNumber:      {inQuota, "quota"},
	quotaUnit:        {inQuota, "unit"},
	quotaEnforcement: {inQuota, "enforcementType"},

	orderUUID:         {inOrder, "uuid"},
	orderType:         {inOrder, "type"},
	orderState:        {inOrder, "state"},
	orderResource:     {inOrder, "marketplace_resource_uuid"},
	orderError:        {inOrder, "error_message"},
	orderLimits:       {inOrder, "limits"},
	orderAttributes:   {inOrder, "attributes"},
	orderOldLimits:    {orderAttributes, "old_limits"},
	orderNewOptions:   {orderAttributes, "new_options"},
	optionHardSpace:   {orderNewOptions, "hard_quota_space"},
	optionSoftInodes:  {orderNewOptions, "soft_quota_inodes"},
	optionHardInodes:  {orderNewOptions, "hard_quota_inodes"},
	optionPermissions: {orderNewOptions, "permissions"},
}

// callbackOf is the callback whose URL is in a field.
var callbackOf = [fields]planner.Callback{
	itemApprove:       planner.Approve,
	itemReject:        planner.Reject,
	itemSetBackendID:  planner.SetBackendID,
	itemSetStateDone:  planner.SetStateDone,
	itemSetStateErred: planner.SetStateErred,
	itemSetStateOK:    planner.SetStateOK,
	itemUpdateOptions: planner.UpdateOptions,
}

// longestName is the length in bytes of the longest name in the table.
const longestName = 31

// object lists the members of an object that are read, sorted by the length of their names, and
// where each length begins. Most names in a listing are not read, and for nearly all of them the
// length alone shows it.
type object struct {
	members []read
	begin   [longestName + 2]uint8
}

// read is a member that is read, and its field.
type read struct {
	name string
	at   field
}

// objects is the table, grouped by the object that has the fields.
var objects = byObject()

func byObject() (all [fields]object) {
	for at, m := range table {
		if m.name != "" {
			all[m.in].members = append(all[m.in].members, read{m.name, field(at)})
		}
	}
	for i := range all {
		o := &all[i]
		slices.SortStableFunc(o.members, func(a, b read) int {
			return cmp.Compare(len(a.name), len(b.name))
		})
		for _, m := range o.members {
			for longer := len(m.name) + 1; longer < len(o.begin); longer++ {
				o.begin[longer]++
			}
		}
	}
	return all
}

// within is the last of the fields within each field, which follow it without a gap; the field
// itself if there are none.
var within = lastWithin()

func lastWithin() (last [fields]field) {
	for at := range fields {
		for in := at; in != unread; in = table[in].in {
			last[in] = at
		}
	}
	return last
}

// fieldOf returns the field of the member called name in the object at field in.
func fieldOf(in field, name []byte) field {
	if len(name) > longestName {
		return unread
	}
	o := &objects[in]
	for i := o.begin[len(name)]; i < o.begin[len(name)+1]; i++ {
		if m := &o.members[i]; m.name == string(name) {
			return m.at
		}
	}
	return unread
}

// composite reports whether the field is an object whose members are read.
func (f field) composite() bool { return objects[f].begin[longestName+1] > 0 }

// String returns the field's name for messages: the path of its members. For a new option of an
// order, it is only the last two.
func (f field) String() string {
	m := table[f]
	switch {
	case m.name == "":
		return "(not read)"
	case table[m.in].name == "":
		return m.name
	case m.in == orderNewOptions:
		return table[m.in].name + "." + m.name
	}
	return m.in.String() + "." + m.name
}
