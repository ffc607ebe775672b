package vcenter

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// objectManager is the VStorageObjectManager of First Class Disks.
type objectManager struct {
	mo.VcenterVStorageObjectManager

	vcenter *VCenter
}

func (v *VCenter) putObjectManager() {
	m := &objectManager{vcenter: v}
	m.Self = *v.model.ServiceContent.VStorageObjectManager
	v.registry.Put(m)
}

// Lock and Unlock are the simulator's, and do nothing: the catalog has a lock of its
// own, and a registration that takes its time must not keep others from reading.
func (*objectManager) Lock()   {}
func (*objectManager) Unlock() {}

// RegisterDisk makes an FCD of a disk named by a /folder URL, which takes its time;
// what is refused, and a disk that is one already, is answered at once.
func (m *objectManager) RegisterDisk(req *types.RegisterDisk) soap.HasFault {
	disk, fault := m.vcenter.diskAt(req.Path)
	if fault != nil {
		return &methods.RegisterDiskBody{Fault_: asSOAP(fault)}
	}
	defer m.vcenter.save()
	if !m.vcenter.catalog.knows(disk.path) {
		time.Sleep(time.Duration(milliseconds(m.vcenter.config.Delays.Register)) * time.Millisecond)
	}
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	if known := m.vcenter.catalog.byPath(disk.path); known != nil {
		return &methods.RegisterDiskBody{Fault_: asSOAP(&types.AlreadyExists{Name: known.Config.Id.Id})}
	}
	registered, fault := m.vcenter.register(disk, req.Name, false)
	if fault != nil {
		return &methods.RegisterDiskBody{Fault_: asSOAP(fault)}
	}
	return &methods.RegisterDiskBody{Res: &types.RegisterDiskResponse{
		Returnval: *m.vcenter.catalog.view(registered),
	}}
}

// RetrieveVStorageObject fails with NotFound when the id is unknown on that
// datastore, or its file is gone.
func (m *objectManager) RetrieveVStorageObject(req *types.RetrieveVStorageObject) soap.HasFault {
	var seen types.VStorageObject
	fault := m.withDisk(req.Id, req.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
		seen = *m.vcenter.catalog.view(disk)
		return nil
	})
	if fault != nil {
		return &methods.RetrieveVStorageObjectBody{Fault_: asSOAP(fault)}
	}
	return &methods.RetrieveVStorageObjectBody{Res: &types.RetrieveVStorageObjectResponse{Returnval: seen}}
}

// RetrieveVStorageObjectState says of a known FCD that it is not tentative.
func (m *objectManager) RetrieveVStorageObjectState(req *types.RetrieveVStorageObjectState) soap.HasFault {
	if fault := m.withDisk(req.Id, req.Datastore, nothing); fault != nil {
		return &methods.RetrieveVStorageObjectStateBody{Fault_: asSOAP(fault)}
	}
	return &methods.RetrieveVStorageObjectStateBody{Res: &types.RetrieveVStorageObjectStateResponse{
		Returnval: types.VStorageObjectStateInfo{Tentative: types.NewBool(false)},
	}}
}

// RetrieveVStorageObjectAssociations names the VM and device of each FCD.
func (m *objectManager) RetrieveVStorageObjectAssociations(req *types.RetrieveVStorageObjectAssociations) soap.HasFault {
	res := &types.RetrieveVStorageObjectAssociationsResponse{}
	for _, asked := range req.Ids {
		found := types.VStorageObjectAssociations{Id: asked.Id}
		fault := m.withDisk(asked.Id, asked.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
			found.VmDiskAssociations = m.associations(disk)
			return nil
		})
		if fault != nil {
			found.Fault = &types.LocalizedMethodFault{Fault: fault}
		}
		res.Returnval = append(res.Returnval, found)
	}
	return &methods.RetrieveVStorageObjectAssociationsBody{Res: res}
}

func (m *objectManager) associations(disk *types.VStorageObject) []types.VStorageObjectAssociationsVmDiskAssociations {
	found, held := m.vcenter.catalog.holders[backingOf(disk).FilePath]
	if !held || found.fcd == "" {
		return nil
	}
	return []types.VStorageObjectAssociationsVmDiskAssociations{{VmId: found.vm.Value, DiskKey: found.key}}
}

// ListVStorageObject lists a datastore's FCDs.
func (m *objectManager) ListVStorageObject(req *types.ListVStorageObject) soap.HasFault {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	res := &types.ListVStorageObjectResponse{}
	for _, disk := range m.vcenter.catalog.disks {
		if backingOf(disk).Datastore == req.Datastore {
			res.Returnval = append(res.Returnval, disk.Config.Id)
		}
	}
	return &methods.ListVStorageObjectBody{Res: res}
}

// SetVStorageObjectControlFlags turns flags on.
func (m *objectManager) SetVStorageObjectControlFlags(req *types.SetVStorageObjectControlFlags) soap.HasFault {
	defer m.vcenter.save()
	fault := m.withDisk(req.Id, req.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
		return setFlags(&disk.Config.BaseConfigInfo, req.ControlFlags, true)
	})
	if fault != nil {
		return &methods.SetVStorageObjectControlFlagsBody{Fault_: asSOAP(fault)}
	}
	return &methods.SetVStorageObjectControlFlagsBody{Res: &types.SetVStorageObjectControlFlagsResponse{}}
}

// ClearVStorageObjectControlFlags turns flags off; without any it clears all.
func (m *objectManager) ClearVStorageObjectControlFlags(req *types.ClearVStorageObjectControlFlags) soap.HasFault {
	defer m.vcenter.save()
	flags := req.ControlFlags
	if len(flags) == 0 {
		flags = []string{keepAfterDeleteVM, disableRelocation, enableChangedBlockTracking}
	}
	fault := m.withDisk(req.Id, req.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
		return setFlags(&disk.Config.BaseConfigInfo, flags, false)
	})
	if fault != nil {
		return &methods.ClearVStorageObjectControlFlagsBody{Fault_: asSOAP(fault)}
	}
	return &methods.ClearVStorageObjectControlFlagsBody{Res: &types.ClearVStorageObjectControlFlagsResponse{}}
}

const (
	keepAfterDeleteVM          = string(types.VslmVStorageObjectControlFlagKeepAfterDeleteVm)
	disableRelocation          = string(types.VslmVStorageObjectControlFlagDisableRelocation)
	enableChangedBlockTracking = string(types.VslmVStorageObjectControlFlagEnableChangedBlockTracking)
)

func setFlags(config *types.BaseConfigInfo, flags []string, value bool) types.BaseMethodFault {
	for _, flag := range flags {
		switch flag {
		case keepAfterDeleteVM:
			config.KeepAfterDeleteVm = &value
		case disableRelocation:
			config.RelocationDisabled = &value
		case enableChangedBlockTracking:
			config.ChangedBlockTrackingEnabled = &value
		default:
			return &types.InvalidArgument{InvalidProperty: "controlFlags"}
		}
	}
	return nil
}

// withDisk runs operation on a disk, with the catalog locked.
func (m *objectManager) withDisk(id types.ID, store types.ManagedObjectReference, operation func(*types.VStorageObject) types.BaseMethodFault) types.BaseMethodFault {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	disk, known := m.vcenter.catalog.disks[id.Id]
	if !known || backingOf(disk).Datastore != store {
		return &types.NotFound{}
	}
	located, fault := m.vcenter.locate(backingOf(disk).FilePath)
	if fault != nil {
		return fault
	}
	if _, fault := located.capacity(); fault != nil {
		return &types.NotFound{}
	}
	return operation(disk)
}

func nothing(*types.VStorageObject) types.BaseMethodFault { return nil }

func asSOAP(fault types.BaseMethodFault) *soap.Fault {
	return simulator.Fault(describe(fault), fault)
}
