package waldur

// String names the slot as messages do: the path of its members.
func (s slot) String() string {
	switch s {
	case pageStatus, itemStatus:
		return "status"
	case pageDetail:
		return "detail"
	case pageResources:
		return "resources"
	case pagination:
		return "pagination"
	case pageCurrent:
		return "pagination.current"
	case pageLimit:
		return "pagination.limit"
	case pageFilters:
		return "filters_applied"
	case filterSystem:
		return "filters_applied.storage_system"
	case pageTotal:
		return "pagination.total"
	case quotaType:
		return "type"
	case quotaNumber:
		return "quota"
	case quotaUnit:
		return "unit"
	case quotaEnforcement:
		return "enforcementType"
	}
	if s >= orderUUID {
		return s.orderName()
	}
	return s.itemName()
}

func (s slot) itemName() string {
	switch s {
	case itemID:
		return "itemId"
	case itemMount:
		return "mountPoint"
	case itemMountDefault:
		return "mountPoint.default"
	case itemPermission:
		return "permission"
	case itemPermissionValue:
		return "permission.value"
	case itemPermissionType:
		return "permission.permissionType"
	case itemSystem:
		return "storageSystem"
	case itemSystemKey:
		return "storageSystem.key"
	case itemDataType:
		return "storageDataType"
	case itemDataTypeKey:
		return "storageDataType.key"
	case itemTarget:
		return "target"
	case itemTargetType:
		return "target.targetType"
	case itemTargetItem:
		return "target.targetItem"
	case itemTargetKey:
		return "target.targetItem.key"
	case itemTargetName:
		return "target.targetItem.name"
	case itemTargetGID:
		return "target.targetItem.unixGid"
	case itemPrimary:
		return "target.targetItem.primaryProject"
	case itemPrimaryName:
		return "target.targetItem.primaryProject.name"
	case itemPrimaryGID:
		return "target.targetItem.primaryProject.unixGid"
	case itemQuotas:
		return "quotas"
	case itemNewQuotas:
		return "newQuotas"
	case itemParent:
		return "parentItemId"
	}
	return s.urlName()
}

func (s slot) urlName() string {
	switch s {
	case itemApprove:
		return "approve_by_provider_url"
	case itemReject:
		return "reject_by_provider_url"
	case itemSetBackendID:
		return "set_backend_id_url"
	case itemSetStateDone:
		return "set_state_done_url"
	case itemSetStateErred:
		return "set_state_erred_url"
	case itemSetStateOK:
		return "set_state_ok_url"
	case itemUpdateOptions:
		return "update_resource_options_url"
	}
	return "(not read)"
}

func (s slot) orderName() string {
	switch s {
	case orderUUID:
		return "uuid"
	case orderType:
		return "type"
	case orderState:
		return "state"
	case orderResource:
		return "marketplace_resource_uuid"
	case orderError:
		return "error_message"
	case orderLimits:
		return "limits"
	case orderAttributes:
		return "attributes"
	case orderOldLimits:
		return "attributes.old_limits"
	case orderNewOptions:
		return "attributes.new_options"
	case optionHardSpace:
		return "new_options.hard_quota_space"
	case optionSoftInodes:
		return "new_options.soft_quota_inodes"
	case optionHardInodes:
		return "new_options.hard_quota_inodes"
	case optionPermissions:
		return "new_options.permissions"
	}
	return "(not read)"
}
