package vcenter

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/json"
	"github.com/vmware/govmomi/vim25/types"
)

// state is what a restart keeps, besides the datastores' files. Like a real
// vCenter it keeps all but sessions and tasks.
type state struct {
	Starts    int                                     `json:"starts"`
	Inventory map[string]types.ManagedObjectReference `json:"inventory"`
	Disks     map[string]*types.VStorageObject        `json:"disks"`
	Volumes   map[string]*cnstypes.CnsVolume          `json:"volumes"`
	Devices   map[string][]*types.VirtualDisk         `json:"devices"` // by the VM's uuid
}

// tasksPerStart is more than the simulator numbers between two starts: no task
// gets the number of one that a restart has ended.
const tasksPerStart = 100_000

func (v *VCenter) stateFile() string { return filepath.Join(v.config.State, "catalog.json") }

// recall reads what the last run kept; the first has nothing to recall.
func (v *VCenter) recall() error {
	content, err := os.ReadFile(v.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.SetDiscriminator("_typeName", "_value", typeOf)
	if err := decoder.Decode(&v.kept); err != nil {
		return fmt.Errorf("%s: %w", v.stateFile(), err)
	}
	maps.Copy(v.catalog.disks, v.kept.Disks)
	maps.Copy(v.catalog.volumes, v.kept.Volumes)
	return nil
}

// takeUp goes on from the last start, once the inventory is built again.
func (v *VCenter) takeUp() error {
	inventory := v.inventory()
	if v.kept.Starts > 0 && !maps.Equal(inventory, v.kept.Inventory) {
		return fmt.Errorf("the inventory was %v and is %v", v.kept.Inventory, inventory)
	}
	for range v.kept.Starts * tasksPerStart {
		v.registry.NewEntity(&simulator.Folder{})
	}
	v.kept.Starts, v.kept.Inventory = v.kept.Starts+1, inventory
	v.save()
	return v.sweep()
}

// inventory names the objects whose references clients remember.
func (v *VCenter) inventory() map[string]types.ManagedObjectReference {
	references := map[string]types.ManagedObjectReference{v.config.InventoryPath(): v.datacenter}
	for _, store := range v.datastores {
		references["datastore "+store.name] = store.ref
	}
	for _, vm := range v.nodes {
		references["vm "+vm.Name] = vm.Self
	}
	return references
}

// sweep removes the links to disks that no VM holds: of an attach or a detach
// that a crash cut short.
func (v *VCenter) sweep() error {
	links, err := filepath.Glob(filepath.Join(v.config.State, "devices", "*", "*"))
	if err != nil {
		return err
	}
	held := map[string]bool{}
	for _, holder := range v.catalog.holders {
		held[v.linkName(holder)] = true
	}
	for _, link := range links {
		if !held[link] {
			err = errors.Join(err, os.Remove(link))
		}
	}
	return err
}

// save writes down what a restart keeps, before the client hears of the change.
func (v *VCenter) save() {
	v.catalog.Lock()
	defer v.catalog.Unlock()
	now := v.kept
	now.Disks, now.Volumes, now.Devices = v.catalog.disks, v.catalog.volumes, v.catalog.devices()
	var content bytes.Buffer
	encoder := json.NewEncoder(&content)
	encoder.SetDiscriminator("_typeName", "_value", json.DiscriminatorEncodeTypeNameIfRequired)
	if err := encoder.Encode(now); err != nil {
		log.Panicf("state: %v", err)
	}
	if err := replace(v.stateFile(), content.Bytes()); err != nil {
		log.Panicf("state: %v", err)
	}
}

// replace leaves the old content or the new one, whenever the process ends.
func replace(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// devices are the disks that VMs have by now; the caller holds the lock.
func (c *catalog) devices() map[string][]*types.VirtualDisk {
	all := map[string][]*types.VirtualDisk{}
	for _, held := range c.holders {
		if held.device != nil { // else it is only reserved
			all[held.vmUUID] = append(all[held.vmUUID], held.device)
		}
	}
	for _, disks := range all {
		slices.SortFunc(disks, func(a, b *types.VirtualDisk) int { return cmp.Compare(a.Key, b.Key) })
	}
	return all
}
