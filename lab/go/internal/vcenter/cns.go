package vcenter

import (
	cnsmethods "github.com/vmware/govmomi/cns/methods"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"lab/internal/vcenter/cnsfault"
)

// volumeManager is CNS: the volumes that a CSI driver has registered.
//
// As in a real vCenter the task of an operation succeeds, and what befell the
// volume is in the result.
type volumeManager struct {
	types.ManagedObjectReference

	vcenter *VCenter
}

// Reference is CNS's well-known one.
func (m *volumeManager) Reference() types.ManagedObjectReference { return m.ManagedObjectReference }

// operate runs one volume's operation as a task. Like a real vCenter it takes
// exactly one specification.
func operate[Spec any](m *volumeManager, ctx *simulator.Context, entity mo.Reference, name string, specs []Spec,
	operation func(*simulator.Context, Spec) (cnstypes.BaseCnsVolumeOperationResult, []string)) types.ManagedObjectReference {
	return m.vcenter.run(ctx, entity, name, func(ctx *simulator.Context) outcome {
		if len(specs) != 1 {
			return failed(&types.InvalidArgument{InvalidProperty: "InputSpec"})
		}
		result, destroyed := operation(ctx, specs[0])
		return outcome{
			result:    &cnstypes.CnsVolumeOperationBatchResult{VolumeResults: []cnstypes.BaseCnsVolumeOperationResult{result}},
			destroyed: destroyed,
		}
	})
}

func result(id string, fault types.BaseMethodFault) cnstypes.CnsVolumeOperationResult {
	done := cnstypes.CnsVolumeOperationResult{VolumeId: cnstypes.CnsVolumeId{Id: id}}
	if fault != nil {
		done.Fault = &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: describe(fault)}
	}
	return done
}

// registered says CnsNotRegisteredFault of a volume that is not; the caller
// holds the catalog's lock.
func (m *volumeManager) registered(id string) (*cnstypes.CnsVolume, types.BaseMethodFault) {
	if volume, known := m.vcenter.catalog.volumes[id]; known {
		return volume, nil
	}
	return nil, &cnsfault.CnsNotRegisteredFault{
		CnsFault: cnstypes.CnsFault{Reason: "Volume with ID " + id + " is not registered as CNS Volume."},
		VolumeId: cnstypes.CnsVolumeId{Id: id},
	}
}

// CnsCreateVolume registers an FCD by id, a disk by URL, or a new disk.
func (m *volumeManager) CnsCreateVolume(ctx *simulator.Context, req *cnstypes.CnsCreateVolume) soap.HasFault {
	task := operate(m, ctx, m.vcenter.root(), "CnsCreateVolume", req.CreateSpecs,
		func(_ *simulator.Context, spec cnstypes.CnsVolumeCreateSpec) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			return m.create(spec), nil
		})
	return &cnsmethods.CnsCreateVolumeBody{Res: &cnstypes.CnsCreateVolumeResponse{Returnval: task}}
}

func (m *volumeManager) create(spec cnstypes.CnsVolumeCreateSpec) *cnstypes.CnsVolumeCreateResult {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	disk, fault := m.disk(spec)
	if fault != nil {
		return &cnstypes.CnsVolumeCreateResult{CnsVolumeOperationResult: result("", fault), Name: spec.Name}
	}
	id := disk.Config.Id.Id
	if _, known := m.vcenter.catalog.volumes[id]; known {
		return &cnstypes.CnsVolumeCreateResult{CnsVolumeOperationResult: result("", alreadyRegistered(id)), Name: spec.Name}
	}
	m.vcenter.catalog.volumes[id] = m.volume(spec, disk)
	return &cnstypes.CnsVolumeCreateResult{
		CnsVolumeOperationResult: result(id, nil),
		Name:                     spec.Name,
		PlacementResults:         []cnstypes.CnsPlacementResult{{Datastore: backingOf(disk).Datastore}},
	}
}

func alreadyRegistered(id string) types.BaseMethodFault {
	return &cnsfault.CnsAlreadyRegisteredFault{
		CnsFault: cnstypes.CnsFault{Reason: "Volume with ID " + id + " is already registered as CNS Volume."},
		VolumeId: cnstypes.CnsVolumeId{Id: id},
	}
}

// disk finds or makes the FCD that a specification means.
func (m *volumeManager) disk(spec cnstypes.CnsVolumeCreateSpec) (*types.VStorageObject, types.BaseMethodFault) {
	details, ok := spec.BackingObjectDetails.(*cnstypes.CnsBlockBackingDetails)
	switch {
	case !ok:
		return nil, &types.InvalidArgument{InvalidProperty: "createSpecs.backingObjectDetails"}
	case details.BackingDiskId != "":
		return m.protected(details.BackingDiskId)
	case details.BackingDiskUrlPath != "":
		return m.byURL(details.BackingDiskUrlPath, spec.Name)
	}
	datastore := m.vcenter.datastores[0].ref
	if len(spec.Datastores) > 0 {
		datastore = spec.Datastores[0]
	}
	return m.vcenter.createFCD(datastore, spec.Name, details.CapacityInMb, true)
}

func (m *volumeManager) protected(id string) (*types.VStorageObject, types.BaseMethodFault) {
	disk, known := m.vcenter.catalog.disks[id]
	if !known {
		return nil, &types.NotFound{}
	}
	if m.vcenter.protects {
		disk.Config.KeepAfterDeleteVm = types.NewBool(true)
	}
	return disk, nil
}

func (m *volumeManager) byURL(address, name string) (*types.VStorageObject, types.BaseMethodFault) {
	located, fault := m.vcenter.diskAt(address)
	if fault != nil {
		return nil, fault
	}
	if known := m.vcenter.catalog.byPath(located.path); known != nil {
		return m.protected(known.Config.Id.Id)
	}
	return m.vcenter.register(located, name, m.vcenter.protects)
}

func (m *volumeManager) volume(spec cnstypes.CnsVolumeCreateSpec, disk *types.VStorageObject) *cnstypes.CnsVolume {
	store, _ := m.vcenter.datastoreAt(backingOf(disk).Datastore)
	volume := &cnstypes.CnsVolume{
		VolumeId:                     cnstypes.CnsVolumeId{Id: disk.Config.Id.Id},
		DatastoreUrl:                 store.directory,
		Name:                         spec.Name,
		VolumeType:                   spec.VolumeType,
		Metadata:                     spec.Metadata,
		ComplianceStatus:             "compliant",
		DatastoreAccessibilityStatus: "accessible",
		HealthStatus:                 "green",
	}
	for _, profile := range spec.Profile {
		if defined, ok := profile.(*types.VirtualMachineDefinedProfileSpec); ok {
			volume.StoragePolicyId = defined.ProfileId
		}
	}
	return volume
}

// CnsDeleteVolume takes a volume's registration away, and with deleteDisk its
// FCD and bytes too.
func (m *volumeManager) CnsDeleteVolume(ctx *simulator.Context, req *cnstypes.CnsDeleteVolume) soap.HasFault {
	task := operate(m, ctx, m.vcenter.root(), "CnsDeleteVolume", req.VolumeIds,
		func(_ *simulator.Context, id cnstypes.CnsVolumeId) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			done := m.remove(id.Id, req.DeleteDisk)
			result := result(id.Id, done.fault)
			return &result, done.destroyed
		})
	return &cnsmethods.CnsDeleteVolumeBody{Res: &cnstypes.CnsDeleteVolumeResponse{Returnval: task}}
}

func (m *volumeManager) remove(id string, deleteDisk bool) outcome {
	path, fault := m.removable(id, deleteDisk)
	if fault != nil {
		return failed(fault)
	}
	if !deleteDisk {
		m.vcenter.catalog.Lock()
		defer m.vcenter.catalog.Unlock()
		delete(m.vcenter.catalog.volumes, id)
		return outcome{}
	}
	disk, fault := m.vcenter.locate(path)
	if fault != nil {
		return failed(fault)
	}
	return m.vcenter.destroyDisk(disk)
}

// removable says ResourceInUse of a disk that is attached. One attached by path
// has no consumer, so that only its bytes are in the way.
func (m *volumeManager) removable(id string, deleteDisk bool) (path string, fault types.BaseMethodFault) {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	if _, fault := m.registered(id); fault != nil {
		return "", fault
	}
	path = backingOf(m.vcenter.catalog.disks[id]).FilePath
	held, attached := m.vcenter.catalog.holders[path]
	if attached && (deleteDisk || held.fcd != "") {
		return "", inUse()
	}
	return path, nil
}
