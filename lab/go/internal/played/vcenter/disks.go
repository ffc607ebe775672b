package vcenter

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vslm"
)

// ErrNoSuchVM is returned when no VM has the UUID of the node.
var ErrNoSuchVM = errors.New("no VM has that UUID")

var volumePath = regexp.MustCompile(`^\[([^\]]*)\]\s*(.+)$`)

// ParsePath splits "[datastore] folder/disk.vmdk". Of "[/dc/datastore/name]" only the last part counts.
func ParsePath(path string) (datastore, file string, err error) {
	match := volumePath.FindStringSubmatch(path)
	if match == nil {
		return "", "", fmt.Errorf("%q is no volume path", path)
	}
	return match[1][strings.LastIndex(match[1], "/")+1:], match[2], nil
}

func (l *login) virtualMachine(ctx context.Context, uuid string) (*object.VirtualMachine, error) {
	found, err := object.NewSearchIndex(l.vim).FindByUuid(ctx, l.datacenter, uuid, true, nil)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSuchVM, uuid)
	}
	return object.NewVirtualMachine(l.vim, found.Reference()), nil
}

// match tells whether a VM's disk is the one that is looked for.
type match func(*types.VirtualDisk) bool

func withFCD(id string) match {
	return func(disk *types.VirtualDisk) bool { return disk.VDiskId != nil && disk.VDiskId.Id == id }
}

func withPath(path string) match {
	return func(disk *types.VirtualDisk) bool {
		backing, flat := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		return flat && backing.FileName == path
	}
}

func diskOf(ctx context.Context, vm *object.VirtualMachine, wanted match) (*types.VirtualDisk, error) {
	devices, err := vm.Device(ctx)
	if err != nil {
		return nil, err
	}
	for _, device := range devices {
		if disk, isDisk := device.(*types.VirtualDisk); isDisk && wanted(disk) {
			return disk, nil
		}
	}
	return nil, nil
}

func diskUUID(disk *types.VirtualDisk) string {
	if backing, flat := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); flat {
		return backing.Uuid
	}
	return ""
}

// AttachPath hangs the VMDK on the VM as the in-tree plugin does: by path, so that no FCD is involved.
// It returns the disk's UUID.
func (v *VCenter) AttachPath(ctx context.Context, vmUUID, path string) (string, error) {
	var id string
	err := v.do(ctx, func(ctx context.Context, l *login) error {
		vm, err := l.virtualMachine(ctx, vmUUID)
		if err != nil {
			return err
		}
		disk, err := l.diskByPath(ctx, vm, path)
		if err != nil {
			return err
		}
		id = diskUUID(disk)
		return nil
	})
	return id, err
}

func (l *login) diskByPath(ctx context.Context, vm *object.VirtualMachine, path string) (*types.VirtualDisk, error) {
	disk, err := diskOf(ctx, vm, withPath(path))
	if disk != nil || err != nil {
		return disk, err
	}
	if err := l.addByPath(ctx, vm, path); err != nil {
		return nil, err
	}
	disk, err = diskOf(ctx, vm, withPath(path))
	if disk == nil && err == nil {
		err = fmt.Errorf("%s was attached, and the VM has no such disk", path)
	}
	return disk, err
}

func (l *login) addByPath(ctx context.Context, vm *object.VirtualMachine, path string) error {
	name, _, err := ParsePath(path)
	if err != nil {
		return err
	}
	datastore, err := l.finder.Datastore(ctx, name)
	if err != nil {
		return err
	}
	devices, err := vm.Device(ctx)
	if err != nil {
		return err
	}
	controller, err := devices.FindDiskController("")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(controller, datastore.Reference(), path)
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).DiskMode = string(types.VirtualDiskModeIndependent_persistent)
	return vm.AddDevice(ctx, disk)
}

// DetachPath takes the VMDK off the VM and keeps its file. A VM that is gone, or has no such disk, is a success.
func (v *VCenter) DetachPath(ctx context.Context, vmUUID, path string) error {
	return v.do(ctx, func(ctx context.Context, l *login) error {
		vm, err := l.virtualMachine(ctx, vmUUID)
		if errors.Is(err, ErrNoSuchVM) {
			return nil
		}
		if err != nil {
			return err
		}
		disk, err := diskOf(ctx, vm, withPath(path))
		if disk == nil || err != nil {
			return err
		}
		return vm.RemoveDevice(ctx, true, disk)
	})
}

// FilePath returns where the FCD's VMDK is, as "[datastore] folder/disk.vmdk".
func (v *VCenter) FilePath(ctx context.Context, datastore, id string) (string, error) {
	var path string
	err := v.do(ctx, func(ctx context.Context, l *login) error {
		ds, err := l.finder.Datastore(ctx, datastore)
		if err != nil {
			return err
		}
		disk, err := vslm.NewObjectManager(l.vim).Retrieve(ctx, ds, id)
		if err != nil {
			return err
		}
		backing, err := diskFile(disk)
		path = backing
		return err
	})
	return path, err
}

func diskFile(disk *types.VStorageObject) (string, error) {
	backing, isFile := disk.Config.Backing.(*types.BaseConfigInfoDiskFileBackingInfo)
	if !isFile {
		return "", fmt.Errorf("FCD %s has no file behind it", disk.Config.Id.Id)
	}
	return backing.FilePath, nil
}
