package vcenter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// scsiControllers gives each node VM room for 60 disks, as a real one has.
const scsiControllers = 4

type datastore struct {
	name      string
	directory string
	ref       types.ManagedObjectReference
}

func (v *VCenter) createInventory() error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, v.service)
	if err != nil {
		return err
	}
	folder, err := object.NewRootFolder(client).CreateFolder(ctx, v.config.Folder)
	if err != nil {
		return err
	}
	datacenter, err := folder.CreateDatacenter(ctx, v.config.Datacenter)
	if err != nil {
		return err
	}
	v.datacenter = datacenter.Reference()
	folders, err := datacenter.Folders(ctx)
	if err != nil {
		return err
	}
	return v.createCluster(ctx, client, folders)
}

func (v *VCenter) createCluster(ctx context.Context, client *vim25.Client, folders *object.DatacenterFolders) error {
	cluster, err := folders.HostFolder.CreateCluster(ctx, v.config.Datacenter+"_C0", types.ClusterConfigSpecEx{})
	if err != nil {
		return err
	}
	task, err := cluster.AddHost(ctx, types.HostConnectSpec{HostName: "esx-1"}, true, nil, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	host := object.NewHostSystem(client, info.Result.(types.ManagedObjectReference))
	if err := v.createDatastores(ctx, host); err != nil {
		return err
	}
	pool, err := cluster.ResourcePool(ctx)
	if err != nil {
		return err
	}
	for _, n := range v.config.Nodes {
		if err := v.createNode(ctx, folders.VmFolder, pool, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

func (v *VCenter) createDatastores(ctx context.Context, host *object.HostSystem) error {
	system, err := host.ConfigManager().DatastoreSystem(ctx)
	if err != nil {
		return err
	}
	for i, name := range v.config.Datastores {
		directory := filepath.Join(v.config.State, "datastores", strconv.Itoa(i))
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		created, err := system.CreateLocalDatastore(ctx, name, directory)
		if err != nil {
			return fmt.Errorf("datastore %s: %w", name, err)
		}
		v.datastores = append(v.datastores, datastore{name, directory, created.Reference()})
	}
	return nil
}

func (v *VCenter) createNode(ctx context.Context, folder *object.Folder, pool *object.ResourcePool, n Node) error {
	if err := v.removeVM(n); err != nil {
		return err
	}
	spec, err := v.nodeSpec(n)
	if err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, spec, pool, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	powerOn, err := object.NewVirtualMachine(pool.Client(), ref).PowerOn(ctx)
	if err != nil {
		return err
	}
	if err := powerOn.Wait(ctx); err != nil {
		return err
	}
	vm := &node{VirtualMachine: v.registry.Get(ref).(*simulator.VirtualMachine), vcenter: v}
	v.registry.Put(vm)
	v.nodes = append(v.nodes, vm)
	return vm.show()
}

func (v *VCenter) vmx(n Node) vmdkFile { return v.datastores[0].disk(n.Name + "/" + n.Name + ".vmx") }

// removeVM removes the files of the last run's VM, which the simulator would not
// write over. Nothing is in them that the VM is not made of anew.
func (v *VCenter) removeVM(n Node) error {
	vmx := v.vmx(n).file
	for _, file := range []string{vmx, filepath.Join(filepath.Dir(vmx), "vmware.log")} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (v *VCenter) nodeSpec(n Node) (types.VirtualMachineConfigSpec, error) {
	var devices object.VirtualDeviceList
	for range scsiControllers {
		controller, err := devices.CreateSCSIController("pvscsi")
		if err != nil {
			return types.VirtualMachineConfigSpec{}, err
		}
		devices = append(devices, controller)
	}
	changes, err := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	for _, disk := range v.kept.Devices[n.UUID] {
		changes = append(changes, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: disk,
		})
	}
	return types.VirtualMachineConfigSpec{
		Name:         n.Name,
		Uuid:         n.UUID,
		GuestId:      string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest),
		Version:      "vmx-19",
		Files:        &types.VirtualMachineFileInfo{VmPathName: v.vmx(n).path},
		DeviceChange: changes,
		ExtraConfig:  []types.BaseOptionValue{&types.OptionValue{Key: "disk.EnableUUID", Value: "TRUE"}},
	}, err
}

func (v *VCenter) datastoreNamed(name string) (datastore, bool) {
	return v.findDatastore(func(d datastore) bool { return d.name == name })
}

func (v *VCenter) datastoreAt(ref types.ManagedObjectReference) (datastore, bool) {
	return v.findDatastore(func(d datastore) bool { return d.ref == ref })
}

func (v *VCenter) findDatastore(matches func(datastore) bool) (datastore, bool) {
	at := slices.IndexFunc(v.datastores, matches)
	if at < 0 {
		return datastore{}, false
	}
	return v.datastores[at], true
}
