package vcenter

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	datastoreFileManagement = "Datastore.FileManagement"
	datastoreBrowse         = "Datastore.Browse"
	cnsSearchable           = "Cns.Searchable"
	addExistingDisk         = "VirtualMachine.Config.AddExistingDisk"
	addRemoveDevice         = "VirtualMachine.Config.AddRemoveDevice"
	removeDisk              = "VirtualMachine.Config.RemoveDisk"
	deleteVM                = "VirtualMachine.Inventory.Delete"
)

// requiredPrivileges are those of vSphere's API reference, and for CNS those of
// the roles that the driver's documentation asks for.
var requiredPrivileges = map[string][]string{
	"AttachDisk_Task":                 {addExistingDisk},
	"ClearVStorageObjectControlFlags": {datastoreFileManagement},
	"CnsAttachVolume":                 {addExistingDisk, addRemoveDevice},
	"CnsCreateVolume":                 {datastoreFileManagement},
	"CnsDeleteVolume":                 {datastoreFileManagement},
	"CnsDetachVolume":                 {addRemoveDevice},
	"CnsExtendVolume":                 {datastoreFileManagement},
	"CnsQueryAllVolume":               {cnsSearchable},
	"CnsQueryVolume":                  {cnsSearchable},
	"CnsUpdateVolumeMetadata":         {datastoreFileManagement},
	"CreateDisk_Task":                 {datastoreFileManagement},
	"CreateVirtualDisk_Task":          {datastoreFileManagement},
	"DeleteVStorageObject_Task":       {datastoreFileManagement},
	"DeleteVirtualDisk_Task":          {datastoreFileManagement},
	"Destroy_Task":                    {deleteVM},
	"DetachDisk_Task":                 {removeDisk},
	"ExtendDisk_Task":                 {datastoreFileManagement},
	"ExtendVirtualDisk_Task":          {datastoreFileManagement},
	"MakeDirectory":                   {datastoreFileManagement},
	"RegisterDisk":                    {datastoreFileManagement},
	"SearchDatastoreSubFolders_Task":  {datastoreBrowse},
	"SearchDatastore_Task":            {datastoreBrowse},
	"SetVStorageObjectControlFlags":   {datastoreFileManagement},
}

// unsupported would change disks behind the catalog's and the audit's back.
var unsupported = map[string]bool{
	"CopyDatastoreFile_Task":   true,
	"CopyVirtualDisk_Task":     true,
	"DeleteDatastoreFile_Task": true,
	"MoveDatastoreFile_Task":   true,
	"MoveVirtualDisk_Task":     true,
	"UnregisterVM":             true,
}

// authorize sees each call before its object does.
func (v *VCenter) authorize(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil // the simulator itself refuses what needs a session
	}
	if unsupported[method.Name] {
		return nil, &types.NotSupported{}
	}
	user, known := v.config.user(ctx.Session.UserName)
	if !known {
		return nil, nil // the simulator's own session, while the inventory is built
	}
	for _, privilege := range privilegesFor(method) {
		if !user.holds(privilege) {
			return nil, noPermission(method.This, privilege)
		}
	}
	return nil, nil
}

func privilegesFor(method *simulator.Method) []string {
	if reconfigure, ok := method.Body.(*types.ReconfigVM_Task); ok {
		return deviceChangePrivileges(reconfigure.Spec)
	}
	return requiredPrivileges[method.Name]
}

func deviceChangePrivileges(spec types.VirtualMachineConfigSpec) []string {
	var needed []string
	for _, change := range spec.DeviceChange {
		switch change.GetVirtualDeviceConfigSpec().Operation {
		case types.VirtualDeviceConfigSpecOperationAdd:
			needed = append(needed, addExistingDisk)
		case types.VirtualDeviceConfigSpecOperationRemove:
			needed = append(needed, removeDisk)
		}
	}
	return needed
}

func noPermission(object types.ManagedObjectReference, privilege string) types.BaseMethodFault {
	return &types.NoPermission{Object: &object, PrivilegeId: privilege}
}
