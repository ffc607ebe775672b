package vcenter

import (
	cnsmethods "github.com/vmware/govmomi/cns/methods"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CnsAttachVolume attaches a volume to a VM. One that is attached already, to
// this VM or another, is refused with ResourceInUse: the driver then looks for
// the disk among the VM's devices to tell which.
func (m *volumeManager) CnsAttachVolume(ctx *simulator.Context, req *cnstypes.CnsAttachVolume) soap.HasFault {
	task := operate(m, ctx, m.entity(ctx, req.AttachSpecs), "CnsAttachVolume", req.AttachSpecs,
		func(ctx *simulator.Context, spec cnstypes.CnsVolumeAttachDetachSpec) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			uuid, fault := m.attach(ctx, spec)
			return &cnstypes.CnsVolumeAttachResult{
				CnsVolumeOperationResult: result(spec.VolumeId.Id, fault),
				DiskUUID:                 uuid,
			}, nil
		})
	return &cnsmethods.CnsAttachVolumeBody{Res: &cnstypes.CnsAttachVolumeResponse{Returnval: task}}
}

// CnsDetachVolume takes a volume off a VM. NotFound means that no device of the
// VM names it.
func (m *volumeManager) CnsDetachVolume(ctx *simulator.Context, req *cnstypes.CnsDetachVolume) soap.HasFault {
	task := operate(m, ctx, m.entity(ctx, req.DetachSpecs), "CnsDetachVolume", req.DetachSpecs,
		func(ctx *simulator.Context, spec cnstypes.CnsVolumeAttachDetachSpec) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			done := result(spec.VolumeId.Id, m.detach(ctx, spec))
			return &done, nil
		})
	return &cnsmethods.CnsDetachVolumeBody{Res: &cnstypes.CnsDetachVolumeResponse{Returnval: task}}
}

// entity is the VM, which the task then locks, or the root if there is none.
func (m *volumeManager) entity(ctx *simulator.Context, specs []cnstypes.CnsVolumeAttachDetachSpec) types.ManagedObjectReference {
	if len(specs) != 1 {
		return m.vcenter.root()
	}
	if _, ok := ctx.For(vim25.Path).Map.Get(specs[0].Vm).(*node); !ok {
		return m.vcenter.root()
	}
	return specs[0].Vm
}

func (m *volumeManager) attach(ctx *simulator.Context, spec cnstypes.CnsVolumeAttachDetachSpec) (string, types.BaseMethodFault) {
	vm, disk, fault := m.resolve(ctx, spec)
	if fault != nil {
		return "", fault
	}
	path := backingOf(disk).FilePath
	if _, held := m.vcenter.catalog.heldBy(path); held {
		return "", inUse()
	}
	fault = vm.attach(ctx, disk)
	if _, locked := fault.(*types.FileLocked); locked {
		return "", inUse()
	}
	held, _ := m.vcenter.catalog.heldBy(path)
	return held.diskUUID, fault
}

func (m *volumeManager) detach(ctx *simulator.Context, spec cnstypes.CnsVolumeAttachDetachSpec) types.BaseMethodFault {
	vm, _, fault := m.resolve(ctx, spec)
	if fault != nil {
		return fault
	}
	return vm.detach(ctx, spec.VolumeId.Id)
}

func (m *volumeManager) resolve(ctx *simulator.Context, spec cnstypes.CnsVolumeAttachDetachSpec) (*node, *types.VStorageObject, types.BaseMethodFault) {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	if _, fault := m.registered(spec.VolumeId.Id); fault != nil {
		return nil, nil, fault
	}
	vm, ok := ctx.Map.Get(spec.Vm).(*node)
	if !ok {
		return nil, nil, &types.ManagedObjectNotFound{Obj: spec.Vm}
	}
	return vm, m.vcenter.catalog.disks[spec.VolumeId.Id], nil
}

func inUse() types.BaseMethodFault {
	return &types.ResourceInUse{Type: "VStorageObject", Name: "volume"}
}
