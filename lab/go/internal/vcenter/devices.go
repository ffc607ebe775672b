package vcenter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/vim25/types"
)

// show makes the holders and the guest's links what the VM's devices are.
func (n *node) show() error {
	now := map[string]holder{}
	for _, disk := range n.disks() {
		now[fileName(disk)] = n.holding(disk)
	}
	before := n.settle(now)
	for path, held := range now {
		if before[path].diskUUID == "" {
			if err := n.vcenter.link(path, held); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle hands the holders over to the catalog, drops the links of those gone,
// and returns what was held before.
func (n *node) settle(now map[string]holder) map[string]holder {
	before := n.vcenter.catalog.settle(n.Self, now)
	for path, held := range before {
		if _, still := now[path]; !still && held.diskUUID != "" {
			n.vcenter.unlink(held)
		}
	}
	return before
}

func (n *node) holding(disk *types.VirtualDisk) holder {
	held := holder{
		vm:       n.Self,
		vmUUID:   n.Config.Uuid,
		diskUUID: disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).Uuid,
		key:      disk.Key,
		device:   disk,
	}
	if disk.VDiskId != nil {
		held.fcd = disk.VDiskId.Id
	}
	return held
}

func (v *VCenter) linkName(held holder) string {
	return filepath.Join(v.config.State, "devices", held.vmUUID, held.diskUUID)
}

func (v *VCenter) link(path string, held holder) error {
	disk, fault := v.locate(path)
	if fault != nil {
		return errors.New(describe(fault))
	}
	target, err := filepath.Abs(disk.flat())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(v.linkName(held)), 0o755); err != nil {
		return err
	}
	// After a restart the link is still there: the guest has not lost the disk.
	if present, err := os.Readlink(v.linkName(held)); err == nil && present == target {
		return nil
	}
	return os.Symlink(target, v.linkName(held))
}

func (v *VCenter) unlink(held holder) {
	if err := os.Remove(v.linkName(held)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err) // the guest would go on to see a disk that is gone
	}
}

func fileName(disk *types.VirtualDisk) string {
	return disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName
}
