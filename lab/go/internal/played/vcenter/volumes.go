package vcenter

import (
	"context"
	"errors"
	"net/url"

	"github.com/google/uuid"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// What CNS must tell after a success, and did not.
var (
	ErrNoID   = errors.New("CNS told no volume id")
	ErrNoUUID = errors.New("CNS told no disk UUID")
)

// Entity is a Kubernetes object as CNS keeps it with the volume.
type Entity struct {
	Type      cnstypes.CnsKubernetesEntityType
	Namespace string
	Name      string
	Labels    map[string]string
	Delete    bool
}

func (v *VCenter) containerCluster() cnstypes.CnsContainerCluster {
	return cnstypes.CnsContainerCluster{
		ClusterType:   string(cnstypes.CnsClusterTypeKubernetes),
		ClusterId:     v.clusterID,
		VSphereUser:   v.config.User,
		ClusterFlavor: string(cnstypes.CnsClusterFlavorVanilla),
	}
}

func (v *VCenter) metadata(entities []Entity) cnstypes.CnsVolumeMetadata {
	cluster := v.containerCluster()
	metadata := cnstypes.CnsVolumeMetadata{
		ContainerCluster:      cluster,
		ContainerClusterArray: []cnstypes.CnsContainerCluster{cluster},
	}
	for _, e := range entities {
		metadata.EntityMetadata = append(metadata.EntityMetadata, v.entityMetadata(e))
	}
	return metadata
}

func (v *VCenter) entityMetadata(e Entity) *cnstypes.CnsKubernetesEntityMetadata {
	labels := make([]types.KeyValue, 0, len(e.Labels))
	for key, value := range e.Labels {
		labels = append(labels, types.KeyValue{Key: key, Value: value})
	}
	return &cnstypes.CnsKubernetesEntityMetadata{
		CnsEntityMetadata: cnstypes.CnsEntityMetadata{
			EntityName: e.Name, Labels: labels, Delete: e.Delete, ClusterID: v.clusterID,
		},
		EntityType: string(e.Type),
		Namespace:  e.Namespace,
	}
}

// DiskURL is where CNS is told to find the VMDK. The driver escapes datacenter and datastore but not
// the path (vsphere-csi-driver pkg/apis/migration).
func (v *VCenter) DiskURL(datastore, path string) string {
	return "https://" + v.Host() + "/folder/" + path +
		"?dcPath=" + url.PathEscape(v.config.Datacenter) + "&dsName=" + url.PathEscape(datastore)
}

// RegisterPath makes the VMDK a CNS volume, and an FCD if it is none yet, and returns the FCD's id.
func (v *VCenter) RegisterPath(ctx context.Context, volumePath string) (string, error) {
	datastore, path, err := ParsePath(volumePath)
	if err != nil {
		return "", err
	}
	return v.create(ctx, cnstypes.CnsVolumeCreateSpec{
		Name:                 uuid.NewString(),
		Metadata:             v.metadata(nil),
		BackingObjectDetails: &cnstypes.CnsBlockBackingDetails{BackingDiskUrlPath: v.DiskURL(datastore, path)},
	})
}

// RegisterFCD makes an existing FCD a CNS volume.
func (v *VCenter) RegisterFCD(ctx context.Context, name, id string, entities []Entity) error {
	_, err := v.create(ctx, cnstypes.CnsVolumeCreateSpec{
		Name:                 name,
		Metadata:             v.metadata(entities),
		BackingObjectDetails: &cnstypes.CnsBlockBackingDetails{BackingDiskId: id},
	})
	return err
}

// CreateDisk makes a new, empty disk of that many MiB and returns its id.
func (v *VCenter) CreateDisk(ctx context.Context, name, datastore string, megabytes int64) (string, error) {
	var id string
	err := v.do(ctx, func(ctx context.Context, l *login) error {
		ds, err := l.finder.Datastore(ctx, datastore)
		if err != nil {
			return err
		}
		id, err = v.createWith(ctx, l, cnstypes.CnsVolumeCreateSpec{
			Name:       name,
			Datastores: []types.ManagedObjectReference{ds.Reference()},
			Metadata:   v.metadata(nil),
			BackingObjectDetails: &cnstypes.CnsBlockBackingDetails{
				CnsBackingObjectDetails: cnstypes.CnsBackingObjectDetails{CapacityInMb: megabytes},
			},
		})
		return err
	})
	return id, err
}

func (v *VCenter) create(ctx context.Context, spec cnstypes.CnsVolumeCreateSpec) (string, error) {
	var id string
	err := v.do(ctx, func(ctx context.Context, l *login) (err error) {
		id, err = v.createWith(ctx, l, spec)
		return err
	})
	return id, err
}

func (v *VCenter) createWith(ctx context.Context, l *login, spec cnstypes.CnsVolumeCreateSpec) (string, error) {
	spec.VolumeType = string(cnstypes.CnsVolumeTypeBlock)
	task, err := l.cns.CreateVolume(ctx, []cnstypes.CnsVolumeCreateSpec{spec})
	created, err := result(ctx, "CnsCreateVolume", task, err)
	if id, is := alreadyRegistered(err); is {
		return id, nil
	}
	if err != nil {
		return "", err
	}
	id := created.GetCnsVolumeOperationResult().VolumeId.Id
	if id == "" {
		return "", ErrNoID
	}
	return id, nil
}

// DeleteVolume takes the volume out of CNS, and destroys its disk if told to.
func (v *VCenter) DeleteVolume(ctx context.Context, id string, deleteDisk bool) error {
	return v.do(ctx, func(ctx context.Context, l *login) error {
		task, err := l.cns.DeleteVolume(ctx, []cnstypes.CnsVolumeId{{Id: id}}, deleteDisk)
		_, err = result(ctx, "CnsDeleteVolume", task, err)
		return err
	})
}

// UpdateMetadata changes the entities of a volume that CNS knows.
func (v *VCenter) UpdateMetadata(ctx context.Context, id string, entities []Entity) error {
	return v.do(ctx, func(ctx context.Context, l *login) error {
		spec := cnstypes.CnsVolumeMetadataUpdateSpec{VolumeId: cnstypes.CnsVolumeId{Id: id}, Metadata: v.metadata(entities)}
		task, err := l.cns.UpdateVolumeMetadata(ctx, []cnstypes.CnsVolumeMetadataUpdateSpec{spec})
		_, err = result(ctx, "CnsUpdateVolumeMetadata", task, err)
		return err
	})
}

// ExtendDisk grows the volume's disk to that many MiB.
func (v *VCenter) ExtendDisk(ctx context.Context, id string, megabytes int64) error {
	return v.do(ctx, func(ctx context.Context, l *login) error {
		spec := cnstypes.CnsVolumeExtendSpec{VolumeId: cnstypes.CnsVolumeId{Id: id}, CapacityInMb: megabytes}
		task, err := l.cns.ExtendVolume(ctx, []cnstypes.CnsVolumeExtendSpec{spec})
		_, err = result(ctx, "CnsExtendVolume", task, err)
		return err
	})
}

// IsRegistered asks CNS whether it knows the volume.
func (v *VCenter) IsRegistered(ctx context.Context, id string) (bool, error) {
	found, err := v.query(ctx, cnstypes.CnsQueryFilter{VolumeIds: []cnstypes.CnsVolumeId{{Id: id}}})
	return len(found) > 0, err
}

// ClusterVolumes lists the ids of all volumes that CNS keeps for this cluster.
func (v *VCenter) ClusterVolumes(ctx context.Context) ([]string, error) {
	return v.query(ctx, cnstypes.CnsQueryFilter{ContainerClusterIds: []string{v.clusterID}})
}

func (v *VCenter) query(ctx context.Context, filter cnstypes.CnsQueryFilter) ([]string, error) {
	var ids []string
	err := v.do(ctx, func(ctx context.Context, l *login) error {
		found, err := l.cns.QueryAllVolume(ctx, filter, cnstypes.CnsQuerySelection{})
		if err != nil {
			return err
		}
		for _, volume := range found.Volumes {
			ids = append(ids, volume.VolumeId.Id)
		}
		return nil
	})
	return ids, err
}

// AttachVolume attaches the volume to the VM and returns the disk's UUID. A disk that hangs on that VM
// already is a success, as the driver's IsDiskAttached makes it.
func (v *VCenter) AttachVolume(ctx context.Context, vmUUID, id string) (string, error) {
	var diskUUID string
	err := v.do(ctx, func(ctx context.Context, l *login) error {
		vm, err := l.virtualMachine(ctx, vmUUID)
		if err != nil {
			return err
		}
		diskUUID, err = l.attach(ctx, vm, id)
		return err
	})
	return diskUUID, err
}

func (l *login) attach(ctx context.Context, vm *object.VirtualMachine, id string) (string, error) {
	task, err := l.cns.AttachVolume(ctx, []cnstypes.CnsVolumeAttachDetachSpec{attachment(vm, id)})
	attached, err := result(ctx, "CnsAttachVolume", task, err)
	if err == nil {
		return attachedUUID(attached)
	}
	if !fault.Is(err, &types.ResourceInUse{}) {
		return "", err
	}
	disk, lookup := diskOf(ctx, vm, withFCD(id))
	if lookup != nil {
		return "", errors.Join(err, lookup)
	}
	if disk == nil {
		return "", err
	}
	return diskUUID(disk), nil
}

func attachedUUID(attached cnstypes.BaseCnsVolumeOperationResult) (string, error) {
	outcome, told := attached.(*cnstypes.CnsVolumeAttachResult)
	if !told || outcome.DiskUUID == "" {
		return "", ErrNoUUID
	}
	return outcome.DiskUUID, nil
}

// DetachVolume detaches the volume from the VM. A VM that is gone, or has no such disk, is a success.
func (v *VCenter) DetachVolume(ctx context.Context, vmUUID, id string) error {
	return v.do(ctx, func(ctx context.Context, l *login) error {
		vm, err := l.virtualMachine(ctx, vmUUID)
		if errors.Is(err, ErrNoSuchVM) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.detach(ctx, vm, id)
	})
}

func (l *login) detach(ctx context.Context, vm *object.VirtualMachine, id string) error {
	task, err := l.cns.DetachVolume(ctx, []cnstypes.CnsVolumeAttachDetachSpec{attachment(vm, id)})
	_, err = result(ctx, "CnsDetachVolume", task, err)
	if !fault.Is(err, &types.NotFound{}) {
		return err
	}
	disk, lookup := diskOf(ctx, vm, withFCD(id))
	if lookup != nil || disk != nil {
		return errors.Join(err, lookup)
	}
	return nil
}

func attachment(vm *object.VirtualMachine, id string) cnstypes.CnsVolumeAttachDetachSpec {
	return cnstypes.CnsVolumeAttachDetachSpec{VolumeId: cnstypes.CnsVolumeId{Id: id}, Vm: vm.Reference()}
}
