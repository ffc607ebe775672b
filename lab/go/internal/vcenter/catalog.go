package vcenter

import (
	"maps"
	"sync"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/types"
)

// holder is the VM that has a disk's file open. fcd is the disk's id when the
// VM's device names it, and empty when the disk was attached by path. device is
// nil until the VM has it.
type holder struct {
	vm       types.ManagedObjectReference
	vmUUID   string
	diskUUID string
	key      int32
	fcd      string
	device   *types.VirtualDisk
}

// catalog is what vCenter knows of disks beyond the datastores' files. Disks and
// volumes go by FCD id, holders by datastore path.
type catalog struct {
	sync.Mutex

	disks     map[string]*types.VStorageObject
	volumes   map[string]*cnstypes.CnsVolume
	holders   map[string]holder
	destroyed map[types.ManagedObjectReference][]string
}

func newCatalog() catalog {
	return catalog{
		disks:     map[string]*types.VStorageObject{},
		volumes:   map[string]*cnstypes.CnsVolume{},
		holders:   map[string]holder{},
		destroyed: map[types.ManagedObjectReference][]string{},
	}
}

func backingOf(disk *types.VStorageObject) *types.BaseConfigInfoDiskFileBackingInfo {
	return disk.Config.Backing.(*types.BaseConfigInfoDiskFileBackingInfo)
}

// byPath finds the FCD of a file; the caller holds the lock.
func (c *catalog) byPath(path string) *types.VStorageObject {
	for _, disk := range c.disks {
		if backingOf(disk).FilePath == path {
			return disk
		}
	}
	return nil
}

// knows says whether a file is an FCD.
func (c *catalog) knows(path string) bool {
	c.Lock()
	defer c.Unlock()
	return c.byPath(path) != nil
}

// view is a copy of a disk with its present consumer; the caller holds the lock.
func (c *catalog) view(disk *types.VStorageObject) *types.VStorageObject {
	seen := *disk
	holder, held := c.holders[backingOf(disk).FilePath]
	if held && holder.fcd != "" {
		seen.Config.ConsumerId = []types.ID{{Id: holder.vmUUID}}
	}
	return &seen
}

// forget drops a disk whose bytes are gone; the caller holds the lock.
func (c *catalog) forget(id string) {
	delete(c.disks, id)
	delete(c.volumes, id)
}

// hold reserves files for a VM, all or none, and returns the path that somebody
// holds already, if any.
func (c *catalog) hold(paths []string, vm types.ManagedObjectReference) (taken string) {
	c.Lock()
	defer c.Unlock()
	for _, path := range paths {
		if _, held := c.holders[path]; held {
			return path
		}
	}
	for _, path := range paths {
		c.holders[path] = holder{vm: vm}
	}
	return ""
}

func (c *catalog) heldBy(path string) (holder, bool) {
	c.Lock()
	defer c.Unlock()
	found, held := c.holders[path]
	return found, held
}

// settle makes the holders of a VM what its devices are, and returns those that
// were before.
func (c *catalog) settle(vm types.ManagedObjectReference, now map[string]holder) (before map[string]holder) {
	c.Lock()
	defer c.Unlock()
	before = map[string]holder{}
	for path, found := range c.holders {
		if found.vm == vm {
			before[path] = found
			delete(c.holders, path)
		}
	}
	maps.Copy(c.holders, now)
	return before
}

func (c *catalog) noteDestroyed(task types.ManagedObjectReference, paths []string) {
	c.Lock()
	defer c.Unlock()
	c.destroyed[task] = paths
}

func (c *catalog) takeDestroyed(task types.ManagedObjectReference) []string {
	c.Lock()
	defer c.Unlock()
	defer delete(c.destroyed, task)
	return c.destroyed[task]
}
