package waldur

import "github.com/waldur/cscs-storage-sync/planner"

// slot is a place in the proxy's or Waldur's JSON that is read. Everything else is checked for form and skipped; so are
// unixUid and email, which the proxy invents.
type slot uint8

const (
	unread slot = iota

	// Roots: what a text, an item or an entry of quotas is.
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

	slots
)

// The slots of an item, and of an entry of quotas.
const (
	firstItemSlot, lastItemSlot   = itemID, itemUpdateOptions
	firstQuotaSlot, lastQuotaSlot = quotaType, quotaEnforcement
)

// composite tells whether the slot is an object whose members are read.
func (s slot) composite() bool {
	switch s {
	case pagination, pageFilters, itemMount, itemPermission, itemSystem, itemDataType, itemTarget, itemTargetItem, itemPrimary,
		orderAttributes, orderNewOptions:
		return true
	}
	return false
}

// slotOf is the slot of the member that is called name in the object at slot in.
func slotOf(in slot, name []byte) slot {
	switch in {
	case inItem:
		return itemSlot(name)
	case inQuota:
		return quotaSlot(name)
	case inPage, pagination, pageFilters:
		return pageSlot(in, name)
	case inOrder, orderAttributes, orderNewOptions:
		return orderSlot(in, name)
	case itemMount:
		return named(name, "default", itemMountDefault)
	case itemSystem:
		return named(name, "key", itemSystemKey)
	case itemDataType:
		return named(name, "key", itemDataTypeKey)
	}
	return innerSlot(in, name)
}

func named(name []byte, want string, s slot) slot {
	if string(name) == want {
		return s
	}
	return unread
}

func itemSlot(name []byte) slot {
	switch string(name) {
	case "itemId":
		return itemID
	case "status":
		return itemStatus
	case "mountPoint":
		return itemMount
	case "permission":
		return itemPermission
	case "storageSystem":
		return itemSystem
	case "storageDataType":
		return itemDataType
	case "target":
		return itemTarget
	case "quotas":
		return itemQuotas
	case "newQuotas":
		return itemNewQuotas
	case "parentItemId":
		return itemParent
	}
	return urlSlot(name)
}

func urlSlot(name []byte) slot {
	switch string(name) {
	case "approve_by_provider_url":
		return itemApprove
	case "reject_by_provider_url":
		return itemReject
	case "set_backend_id_url":
		return itemSetBackendID
	case "set_state_done_url":
		return itemSetStateDone
	case "set_state_erred_url":
		return itemSetStateErred
	case "set_state_ok_url":
		return itemSetStateOK
	case "update_resource_options_url":
		return itemUpdateOptions
	}
	return unread
}

// callbackOf is the callback whose URL stands at a slot between itemApprove and itemUpdateOptions.
func callbackOf(s slot) planner.Callback {
	switch s {
	case itemApprove:
		return planner.Approve
	case itemReject:
		return planner.Reject
	case itemSetBackendID:
		return planner.SetBackendID
	case itemSetStateDone:
		return planner.SetStateDone
	case itemSetStateErred:
		return planner.SetStateErred
	case itemSetStateOK:
		return planner.SetStateOK
	}
	return planner.UpdateOptions
}

// innerSlot finds the members of permission, target, targetItem and primaryProject.
func innerSlot(in slot, name []byte) slot {
	switch in {
	case itemPermission:
		if string(name) == "value" {
			return itemPermissionValue
		}
		return named(name, "permissionType", itemPermissionType)
	case itemTarget:
		if string(name) == "targetType" {
			return itemTargetType
		}
		return named(name, "targetItem", itemTargetItem)
	case itemTargetItem:
		switch string(name) {
		case "key":
			return itemTargetKey
		case "name":
			return itemTargetName
		case "unixGid":
			return itemTargetGID
		}
		return named(name, "primaryProject", itemPrimary)
	case itemPrimary:
		if string(name) == "name" {
			return itemPrimaryName
		}
		return named(name, "unixGid", itemPrimaryGID)
	}
	return unread
}

func quotaSlot(name []byte) slot {
	switch string(name) {
	case "type":
		return quotaType
	case "quota":
		return quotaNumber
	case "unit":
		return quotaUnit
	case "enforcementType":
		return quotaEnforcement
	}
	return unread
}

func pageSlot(in slot, name []byte) slot {
	if in == inPage {
		switch string(name) {
		case "status":
			return pageStatus
		case "detail":
			return pageDetail
		case "resources":
			return pageResources
		case "filters_applied":
			return pageFilters
		}
		return named(name, "pagination", pagination)
	}
	if in == pageFilters {
		return named(name, "storage_system", filterSystem)
	}
	switch string(name) {
	case "current":
		return pageCurrent
	case "limit":
		return pageLimit
	}
	return named(name, "total", pageTotal)
}

func orderSlot(in slot, name []byte) slot {
	switch string(name) {
	case "uuid":
		return at(in == inOrder, orderUUID)
	case "type":
		return at(in == inOrder, orderType)
	case "state":
		return at(in == inOrder, orderState)
	case "marketplace_resource_uuid":
		return at(in == inOrder, orderResource)
	case "error_message":
		return at(in == inOrder, orderError)
	case "limits":
		return at(in == inOrder, orderLimits)
	case "attributes":
		return at(in == inOrder, orderAttributes)
	case "old_limits":
		return at(in == orderAttributes, orderOldLimits)
	case "new_options":
		return at(in == orderAttributes, orderNewOptions)
	case "hard_quota_space":
		return at(in == orderNewOptions, optionHardSpace)
	case "soft_quota_inodes":
		return at(in == orderNewOptions, optionSoftInodes)
	case "hard_quota_inodes":
		return at(in == orderNewOptions, optionHardInodes)
	case "permissions":
		return at(in == orderNewOptions, optionPermissions)
	}
	return unread
}

func at(here bool, s slot) slot {
	if here {
		return s
	}
	return unread
}
