package vcenter

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CreateDiskTask makes a new disk that is an FCD.
func (m *objectManager) CreateDiskTask(ctx *simulator.Context, req *types.CreateDisk_Task) soap.HasFault {
	task := m.vcenter.run(ctx, m.vcenter.root(), "createDiskTask", func(*simulator.Context) outcome {
		keep := req.Spec.KeepAfterDeleteVm != nil && *req.Spec.KeepAfterDeleteVm
		store := req.Spec.BackingSpec.GetVslmCreateSpecBackingSpec().Datastore
		m.vcenter.catalog.Lock()
		defer m.vcenter.catalog.Unlock()
		disk, fault := m.vcenter.createFCD(store, req.Spec.Name, req.Spec.CapacityInMB, keep)
		if fault != nil {
			return failed(fault)
		}
		return outcome{result: disk}
	})
	return &methods.CreateDisk_TaskBody{Res: &types.CreateDisk_TaskResponse{Returnval: task}}
}

// DeleteVStorageObjectTask destroys an FCD, its bytes included. One that is
// attached is refused with InvalidState.
func (m *objectManager) DeleteVStorageObjectTask(ctx *simulator.Context, req *types.DeleteVStorageObject_Task) soap.HasFault {
	task := m.vcenter.run(ctx, m.vcenter.root(), "deleteVStorageObjectTask", func(*simulator.Context) outcome {
		return m.delete(req)
	})
	return &methods.DeleteVStorageObject_TaskBody{Res: &types.DeleteVStorageObject_TaskResponse{Returnval: task}}
}

func (m *objectManager) delete(req *types.DeleteVStorageObject_Task) outcome {
	var path string
	fault := m.withDisk(req.Id, req.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
		path = backingOf(disk).FilePath
		return nil
	})
	if fault != nil {
		return failed(fault)
	}
	if _, held := m.vcenter.catalog.heldBy(path); held {
		return failed(&types.InvalidState{})
	}
	disk, fault := m.vcenter.locate(path)
	if fault != nil {
		return failed(fault)
	}
	return m.vcenter.destroyDisk(disk)
}

// ExtendDiskTask grows an FCD.
func (m *objectManager) ExtendDiskTask(ctx *simulator.Context, req *types.ExtendDisk_Task) soap.HasFault {
	task := m.vcenter.run(ctx, m.vcenter.root(), "extendDiskTask", func(*simulator.Context) outcome {
		return failed(m.withDisk(req.Id, req.Datastore, func(disk *types.VStorageObject) types.BaseMethodFault {
			return m.vcenter.extendFCD(disk, req.NewCapacityInMB)
		}))
	})
	return &methods.ExtendDisk_TaskBody{Res: &types.ExtendDisk_TaskResponse{Returnval: task}}
}
