package vcenter

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// node is a node's VM. It holds the files of its disks alone, and shows each to
// the guest as a link.
type node struct {
	*simulator.VirtualMachine

	vcenter *VCenter
}

// ReconfigVMTask attaches and detaches disks by path, the way of the in-tree
// plugin. A file that is held already is refused with FileLocked.
func (n *node) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	task := n.vcenter.run(ctx, n, "reconfigVMTask", func(ctx *simulator.Context) outcome {
		return n.reconfigure(ctx, req.Spec)
	})
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: task}}
}

// AttachDiskTask attaches an FCD by its id.
func (n *node) AttachDiskTask(ctx *simulator.Context, req *types.AttachDisk_Task) soap.HasFault {
	task := n.vcenter.run(ctx, n, "attachDiskTask", func(ctx *simulator.Context) outcome {
		n.vcenter.catalog.Lock()
		disk, known := n.vcenter.catalog.disks[req.DiskId.Id]
		n.vcenter.catalog.Unlock()
		if !known {
			return failed(&types.NotFound{})
		}
		return failed(n.attach(ctx, disk))
	})
	return &methods.AttachDisk_TaskBody{Res: &types.AttachDisk_TaskResponse{Returnval: task}}
}

// DetachDiskTask takes an FCD off by its id.
func (n *node) DetachDiskTask(ctx *simulator.Context, req *types.DetachDisk_Task) soap.HasFault {
	task := n.vcenter.run(ctx, n, "detachDiskTask", func(ctx *simulator.Context) outcome {
		return failed(n.detach(ctx, req.DiskId.Id))
	})
	return &methods.DetachDisk_TaskBody{Res: &types.DetachDisk_TaskResponse{Returnval: task}}
}

// DestroyTask deletes the VM, and with it the disks that are still attached,
// save the FCDs flagged keepAfterDeleteVm.
func (n *node) DestroyTask(ctx *simulator.Context, req *types.Destroy_Task) soap.HasFault {
	task := n.vcenter.run(ctx, n, "destroyTask", func(ctx *simulator.Context) outcome {
		return n.destroy(ctx, req)
	})
	return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: task}}
}

func (n *node) destroy(ctx *simulator.Context, req *types.Destroy_Task) outcome {
	body := n.VirtualMachine.DestroyTask(ctx, req).(*methods.Destroy_TaskBody)
	if fault := await(ctx, body.Res.Returnval); fault != nil {
		return failed(fault)
	}
	var destroyed []string
	for path := range n.settle(nil) {
		if n.vcenter.keeps(path) {
			continue
		}
		disk, fault := n.vcenter.locate(path)
		if fault != nil {
			return outcome{fault: fault, destroyed: destroyed}
		}
		done := n.vcenter.destroyDisk(disk)
		destroyed = append(destroyed, done.destroyed...)
	}
	return outcome{destroyed: destroyed}
}

func (v *VCenter) keeps(path string) bool {
	v.catalog.Lock()
	defer v.catalog.Unlock()
	disk := v.catalog.byPath(path)
	return disk != nil && *disk.Config.KeepAfterDeleteVm
}

// attach adds an FCD's device, which names the FCD; the VM is locked by ctx.
func (n *node) attach(ctx *simulator.Context, disk *types.VStorageObject) types.BaseMethodFault {
	controller, unit, found := n.freeSlot()
	if !found {
		return &types.TooManyDevices{}
	}
	id := disk.Config.Id
	return n.reconfigure(ctx, deviceChange(types.VirtualDeviceConfigSpecOperationAdd, &types.VirtualDisk{
		VirtualDevice: types.VirtualDevice{
			Key:           -1,
			ControllerKey: controller,
			UnitNumber:    &unit,
			Backing: &types.VirtualDiskFlatVer2BackingInfo{
				DiskMode:                     string(types.VirtualDiskModeIndependent_persistent),
				ThinProvisioned:              types.NewBool(true),
				VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: backingOf(disk).FilePath},
			},
		},
		VDiskId: &id,
	})).fault
}

// detach removes the device that names an FCD, and fails with NotFound when
// there is none; the VM is locked by ctx.
func (n *node) detach(ctx *simulator.Context, id string) types.BaseMethodFault {
	for _, disk := range n.disks() {
		if disk.VDiskId != nil && disk.VDiskId.Id == id {
			return n.reconfigure(ctx, deviceChange(types.VirtualDeviceConfigSpecOperationRemove, disk)).fault
		}
	}
	return &types.NotFound{}
}

func deviceChange(operation types.VirtualDeviceConfigSpecOperation, disk *types.VirtualDisk) types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
		&types.VirtualDeviceConfigSpec{Operation: operation, Device: disk},
	}}
}

func (n *node) disks() []*types.VirtualDisk {
	var disks []*types.VirtualDisk
	for _, device := range n.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			disks = append(disks, disk)
		}
	}
	return disks
}

// freeSlot finds a controller and a unit; unit 7 is the controller's own.
func (n *node) freeSlot() (controller, unit int32, found bool) {
	taken := map[[2]int32]bool{}
	for _, disk := range n.disks() {
		taken[[2]int32{disk.ControllerKey, *disk.UnitNumber}] = true
	}
	controllers := object.VirtualDeviceList(n.Config.Hardware.Device).SelectByType((*types.ParaVirtualSCSIController)(nil))
	for _, device := range controllers {
		key := device.GetVirtualDevice().Key
		for unit := range int32(16) {
			if unit != 7 && !taken[[2]int32{key, unit}] {
				return key, unit, true
			}
		}
	}
	return 0, 0, false
}
