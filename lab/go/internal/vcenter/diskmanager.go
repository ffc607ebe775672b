package vcenter

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// diskManager creates and deletes disks by path. Uuids are the simulator's, made
// from the datastore path.
type diskManager struct {
	*simulator.VirtualDiskManager

	vcenter *VCenter
}

func (v *VCenter) putDiskManager() {
	ref := *v.model.ServiceContent.VirtualDiskManager
	v.registry.Put(&diskManager{v.registry.Get(ref).(*simulator.VirtualDiskManager), v})
}

// CreateVirtualDiskTask makes a disk and the directories above it.
func (m *diskManager) CreateVirtualDiskTask(ctx *simulator.Context, req *types.CreateVirtualDisk_Task) soap.HasFault {
	task := m.vcenter.run(ctx, m.vcenter.root(), "createVirtualDiskTask", func(*simulator.Context) outcome {
		return m.create(req)
	})
	return &methods.CreateVirtualDisk_TaskBody{Res: &types.CreateVirtualDisk_TaskResponse{Returnval: task}}
}

func (m *diskManager) create(req *types.CreateVirtualDisk_Task) outcome {
	spec, ok := req.Spec.(types.BaseFileBackedVirtualDiskSpec)
	if !ok {
		return failed(&types.InvalidArgument{InvalidProperty: "spec"})
	}
	disk, fault := m.vcenter.locate(req.Name)
	if fault != nil {
		return failed(fault)
	}
	return outcome{
		result: req.Name,
		fault:  disk.create(spec.GetFileBackedVirtualDiskSpec().CapacityKb * 1024),
	}
}

// DeleteVirtualDiskTask destroys a disk that no VM holds.
func (m *diskManager) DeleteVirtualDiskTask(ctx *simulator.Context, req *types.DeleteVirtualDisk_Task) soap.HasFault {
	task := m.vcenter.run(ctx, m.vcenter.root(), "deleteVirtualDiskTask", func(*simulator.Context) outcome {
		disk, fault := m.vcenter.locate(req.Name)
		if fault != nil {
			return failed(fault)
		}
		return m.vcenter.destroyDisk(disk)
	})
	return &methods.DeleteVirtualDisk_TaskBody{Res: &types.DeleteVirtualDisk_TaskResponse{Returnval: task}}
}

// destroyDisk removes a disk's bytes and all that the catalog says of it. One
// that a VM holds is locked.
func (v *VCenter) destroyDisk(disk vmdkFile) outcome {
	v.catalog.Lock()
	defer v.catalog.Unlock()
	if _, held := v.catalog.holders[disk.path]; held {
		return failed(&types.FileLocked{FileFault: types.FileFault{File: disk.path}})
	}
	if fault := disk.destroy(); fault != nil {
		return failed(fault)
	}
	if registered := v.catalog.byPath(disk.path); registered != nil {
		v.catalog.forget(registered.Config.Id.Id)
	}
	return outcome{destroyed: []string{disk.path}}
}
