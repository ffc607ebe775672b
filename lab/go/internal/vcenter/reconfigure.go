package vcenter

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// reconfigure changes the VM; it is locked by ctx. Files are reserved before
// devices are added, so that no two VMs can add the same.
func (n *node) reconfigure(ctx *simulator.Context, spec types.VirtualMachineConfigSpec) outcome {
	added, fault := n.added(spec)
	if fault != nil {
		return failed(fault)
	}
	if taken := n.vcenter.catalog.hold(added, n.Self); taken != "" {
		return failed(&types.FileLocked{FileFault: types.FileFault{File: taken}})
	}
	destroying := withoutDestroy(spec)
	body := n.VirtualMachine.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: n.Self, Spec: spec}).(*methods.ReconfigVM_TaskBody)
	fault = await(ctx, body.Res.Returnval)
	if err := n.show(); err != nil && fault == nil {
		fault = &types.GenericVmConfigFault{Reason: err.Error()}
	}
	if fault != nil {
		return failed(fault)
	}
	return n.destroyDisks(destroying)
}

// added lists the files of the disks to be added, and fills in what the caller
// of a real vCenter may leave out: the disk's size.
func (n *node) added(spec types.VirtualMachineConfigSpec) ([]string, types.BaseMethodFault) {
	var paths []string
	for _, change := range spec.DeviceChange {
		change := change.GetVirtualDeviceConfigSpec()
		disk, ok := change.Device.(*types.VirtualDisk)
		if !ok || change.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			continue
		}
		path, fault := n.complete(disk, change.FileOperation)
		if fault != nil {
			return nil, fault
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (n *node) complete(disk *types.VirtualDisk, operation types.VirtualDeviceConfigSpecFileOperation) (string, types.BaseMethodFault) {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return "", &types.InvalidDeviceBacking{}
	}
	file, fault := n.vcenter.locate(backing.FileName)
	if fault != nil {
		return "", fault
	}
	backing.FileName = file.path
	if operation != "" {
		return file.path, nil
	}
	bytes, fault := file.capacity()
	disk.CapacityInBytes, disk.CapacityInKB = bytes, bytes/1024
	return file.path, fault
}

// withoutDestroy takes fileOperation destroy out of spec, because the files can
// only go once the VM has let go of them, and returns their paths.
func withoutDestroy(spec types.VirtualMachineConfigSpec) []string {
	var paths []string
	for _, change := range spec.DeviceChange {
		change := change.GetVirtualDeviceConfigSpec()
		disk, ok := change.Device.(*types.VirtualDisk)
		if !ok || change.FileOperation != types.VirtualDeviceConfigSpecFileOperationDestroy {
			continue
		}
		change.FileOperation = ""
		paths = append(paths, fileName(disk))
	}
	return paths
}

func (n *node) destroyDisks(paths []string) outcome {
	var all outcome
	for _, path := range paths {
		disk, fault := n.vcenter.locate(path)
		if fault != nil {
			return outcome{fault: fault, destroyed: all.destroyed}
		}
		done := n.vcenter.destroyDisk(disk)
		all.destroyed = append(all.destroyed, done.destroyed...)
		if done.fault != nil {
			all.fault = done.fault
		}
	}
	return all
}

// await waits for a task of the simulator and returns its fault.
func await(ctx *simulator.Context, ref types.ManagedObjectReference) (fault types.BaseMethodFault) {
	task := ctx.Map.Get(ref).(*simulator.Task)
	task.Wait()
	ctx.Map.WithLock(&simulator.Context{}, task, func() {
		if task.Info.Error != nil {
			fault = task.Info.Error.Fault
		}
	})
	return fault
}
