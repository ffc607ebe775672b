package vcenter

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/types"
)

const folderURL = "/folder/"

// diskAt resolves https://HOST/folder/PATH?dcPath=DATACENTER&dsName=DATASTORE.
// The datacenter must be named by its full inventory path: a bare name in a
// folder is refused as a real vCenter does (vsphere-csi-driver issue 3093).
func (v *VCenter) diskAt(address string) (vmdkFile, types.BaseMethodFault) {
	invalid := &types.InvalidArgument{InvalidProperty: "dsDiskUrl"}
	parsed, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(parsed.Path, folderURL) {
		return vmdkFile{}, invalid
	}
	query, err := url.ParseQuery(parsed.RawQuery)
	if err != nil || strings.Trim(query.Get("dcPath"), "/") != strings.Trim(v.config.InventoryPath(), "/") {
		return vmdkFile{}, invalid
	}
	store, found := v.datastoreNamed(query.Get("dsName"))
	if !found {
		return vmdkFile{}, &types.InvalidDatastore{Name: query.Get("dsName")}
	}
	return store.existing(strings.TrimPrefix(parsed.Path, folderURL))
}

func (d datastore) existing(name string) (vmdkFile, types.BaseMethodFault) {
	disk := d.disk(name)
	info, err := os.Stat(disk.file)
	if err != nil {
		return vmdkFile{}, disk.fault(err)
	}
	if info.IsDir() {
		return vmdkFile{}, &types.InvalidArgument{InvalidProperty: "dsDiskUrl"}
	}
	return disk, nil
}

// register makes an FCD of a disk; the caller holds the catalog's lock.
func (v *VCenter) register(disk vmdkFile, name string, keep bool) (*types.VStorageObject, types.BaseMethodFault) {
	return v.registerAs(uuid.NewString(), disk, name, keep)
}

func (v *VCenter) registerAs(id string, disk vmdkFile, name string, keep bool) (*types.VStorageObject, types.BaseMethodFault) {
	bytes, fault := disk.capacity()
	if fault != nil {
		return nil, fault
	}
	registered := &types.VStorageObject{Config: types.VStorageObjectConfigInfo{
		BaseConfigInfo: types.BaseConfigInfo{
			Id:                          types.ID{Id: id},
			Name:                        name,
			CreateTime:                  time.Now().UTC(),
			KeepAfterDeleteVm:           &keep,
			RelocationDisabled:          types.NewBool(false),
			NativeSnapshotSupported:     types.NewBool(false),
			ChangedBlockTrackingEnabled: types.NewBool(false),
			Backing:                     backing(disk),
		},
		CapacityInMB:    bytes / mebibyte,
		ConsumptionType: []string{string(types.VStorageObjectConsumptionTypeDisk)},
	}}
	v.catalog.disks[id] = registered
	return registered, nil
}

func backing(disk vmdkFile) *types.BaseConfigInfoDiskFileBackingInfo {
	return &types.BaseConfigInfoDiskFileBackingInfo{
		BaseConfigInfoFileBackingInfo: types.BaseConfigInfoFileBackingInfo{
			BaseConfigInfoBackingInfo: types.BaseConfigInfoBackingInfo{Datastore: disk.datastore.ref},
			FilePath:                  disk.path,
			BackingObjectId:           uuid.NewString(),
		},
		ProvisioningType: string(types.BaseConfigInfoDiskFileBackingInfoProvisioningTypeThin),
	}
}

// createFCD makes a disk "[datastore] fcd/ID.vmdk"; the caller holds the
// catalog's lock.
func (v *VCenter) createFCD(ref types.ManagedObjectReference, name string, megabytes int64, keep bool) (*types.VStorageObject, types.BaseMethodFault) {
	store, found := v.datastoreAt(ref)
	if !found {
		return nil, &types.InvalidDatastore{Datastore: &ref}
	}
	id := uuid.NewString()
	disk := store.disk("fcd/" + id + ".vmdk")
	if fault := disk.create(megabytes * mebibyte); fault != nil {
		return nil, fault
	}
	return v.registerAs(id, disk, name, keep)
}

// extendFCD grows a disk; the caller holds the catalog's lock.
func (v *VCenter) extendFCD(disk *types.VStorageObject, megabytes int64) types.BaseMethodFault {
	file, fault := v.locate(backingOf(disk).FilePath)
	if fault != nil {
		return fault
	}
	if fault := file.extend(megabytes * mebibyte); fault != nil {
		return fault
	}
	disk.Config.CapacityInMB = megabytes
	return nil
}

// describe gives the text that vCenter sends along with a fault.
func describe(fault types.BaseMethodFault) string {
	switch fault := fault.(type) {
	case cnstypes.BaseCnsFault:
		return fault.GetCnsFault().Reason
	case *types.AlreadyExists:
		return fmt.Sprintf("The specified key, name, or identifier '%s' already exists.", fault.Name)
	case *types.FileNotFound:
		return "File " + fault.File + " was not found"
	case *types.InvalidArgument:
		return "A specified parameter was not correct: " + fault.InvalidProperty
	case *types.NotFound:
		return "The object or item referred to could not be found."
	case *types.ResourceInUse:
		return "The resource '" + fault.Name + "' is in use."
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}
