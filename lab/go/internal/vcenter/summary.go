package vcenter

import (
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/types"
)

// summarize picks the arguments that a reader of the audit wants; of passwords
// there are none.
func summarize(body any) map[string]any {
	switch req := body.(type) {
	case *types.RegisterDisk:
		return map[string]any{"path": req.Path, "name": req.Name}
	case *types.SetVStorageObjectControlFlags:
		return map[string]any{"id": req.Id.Id, "datastore": req.Datastore.Value, "controlFlags": req.ControlFlags}
	case *types.ClearVStorageObjectControlFlags:
		return map[string]any{"id": req.Id.Id, "datastore": req.Datastore.Value, "controlFlags": req.ControlFlags}
	case *types.RetrieveVStorageObject:
		return map[string]any{"id": req.Id.Id, "datastore": req.Datastore.Value}
	case *types.ListVStorageObject:
		return map[string]any{"datastore": req.Datastore.Value}
	case *types.DeleteVStorageObject_Task:
		return map[string]any{"id": req.Id.Id, "datastore": req.Datastore.Value}
	case *types.CreateVirtualDisk_Task:
		return map[string]any{"name": req.Name}
	case *types.DeleteVirtualDisk_Task:
		return map[string]any{"name": req.Name}
	case *types.ReconfigVM_Task:
		return map[string]any{"deviceChange": deviceChanges(req.Spec)}
	case *types.HasPrivilegeOnEntities:
		return map[string]any{"privileges": req.PrivId}
	case *types.SearchDatastore_Task:
		return map[string]any{"datastorePath": req.DatastorePath}
	case *types.RetrievePropertiesEx:
		return map[string]any{"properties": properties(req.SpecSet)}
	case *types.CreateFilter:
		return map[string]any{"properties": properties([]types.PropertyFilterSpec{req.Spec})}
	}
	return summarizeCNS(body)
}

func summarizeCNS(body any) map[string]any {
	switch req := body.(type) {
	case *cnstypes.CnsCreateVolume:
		return map[string]any{"volumes": createSpecs(req.CreateSpecs)}
	case *cnstypes.CnsDeleteVolume:
		return map[string]any{"volumeIds": ids(req.VolumeIds), "deleteDisk": req.DeleteDisk}
	case *cnstypes.CnsAttachVolume:
		return map[string]any{"volumes": attachSpecs(req.AttachSpecs)}
	case *cnstypes.CnsDetachVolume:
		return map[string]any{"volumes": attachSpecs(req.DetachSpecs)}
	case *cnstypes.CnsUpdateVolumeMetadata:
		return map[string]any{"volumeIds": updated(req.UpdateSpecs)}
	case *CnsQueryVolume:
		return map[string]any{"volumeIds": ids(req.Filter.VolumeIds)}
	case *cnstypes.CnsQueryAllVolume:
		return map[string]any{"volumeIds": ids(req.Filter.VolumeIds)}
	}
	return map[string]any{}
}

func properties(specs []types.PropertyFilterSpec) map[string][]string {
	read := map[string][]string{}
	for _, spec := range specs {
		for _, set := range spec.PropSet {
			read[set.Type] = append(read[set.Type], set.PathSet...)
		}
	}
	return read
}

func deviceChanges(spec types.VirtualMachineConfigSpec) []map[string]any {
	changes := []map[string]any{}
	for _, change := range spec.DeviceChange {
		change := change.GetVirtualDeviceConfigSpec()
		entry := map[string]any{"operation": change.Operation, "fileOperation": change.FileOperation}
		if backing, ok := change.Device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			entry["fileName"] = backing.GetVirtualDeviceFileBackingInfo().FileName
		}
		changes = append(changes, entry)
	}
	return changes
}

func createSpecs(specs []cnstypes.CnsVolumeCreateSpec) []map[string]any {
	volumes := []map[string]any{}
	for _, spec := range specs {
		entry := map[string]any{"name": spec.Name}
		if details, ok := spec.BackingObjectDetails.(*cnstypes.CnsBlockBackingDetails); ok {
			entry["backingDiskId"], entry["backingDiskUrlPath"] = details.BackingDiskId, details.BackingDiskUrlPath
		}
		volumes = append(volumes, entry)
	}
	return volumes
}

func attachSpecs(specs []cnstypes.CnsVolumeAttachDetachSpec) []map[string]any {
	volumes := []map[string]any{}
	for _, spec := range specs {
		volumes = append(volumes, map[string]any{"volumeId": spec.VolumeId.Id, "vm": spec.Vm.Value})
	}
	return volumes
}

func updated(specs []cnstypes.CnsVolumeMetadataUpdateSpec) []string {
	names := []string{}
	for _, spec := range specs {
		names = append(names, spec.VolumeId.Id)
	}
	return names
}

func ids(volumes []cnstypes.CnsVolumeId) []string {
	names := []string{}
	for _, volume := range volumes {
		names = append(names, volume.Id)
	}
	return names
}
