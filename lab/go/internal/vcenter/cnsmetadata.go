package vcenter

import (
	"slices"

	cnsmethods "github.com/vmware/govmomi/cns/methods"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CnsUpdateVolumeMetadata merges entities: a block volume has one of each type
// per cluster, so that a new one takes the old one's place.
func (m *volumeManager) CnsUpdateVolumeMetadata(ctx *simulator.Context, req *cnstypes.CnsUpdateVolumeMetadata) soap.HasFault {
	task := operate(m, ctx, m.vcenter.root(), "CnsUpdateVolumeMetadata", req.UpdateSpecs,
		func(_ *simulator.Context, spec cnstypes.CnsVolumeMetadataUpdateSpec) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			done := result(spec.VolumeId.Id, m.update(spec))
			return &done, nil
		})
	return &cnsmethods.CnsUpdateVolumeBody{Res: &cnstypes.CnsUpdateVolumeMetadataResponse{Returnval: task}}
}

func (m *volumeManager) update(spec cnstypes.CnsVolumeMetadataUpdateSpec) types.BaseMethodFault {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	volume, fault := m.registered(spec.VolumeId.Id)
	if fault != nil {
		return fault
	}
	// A fresh slice: a query may still be reading the old one.
	entities := slices.Clone(volume.Metadata.EntityMetadata)
	for _, entity := range spec.Metadata.EntityMetadata {
		entities = slices.DeleteFunc(entities, func(known cnstypes.BaseCnsEntityMetadata) bool {
			return place(known) == place(entity)
		})
		if !entity.GetCnsEntityMetadata().Delete {
			entities = append(entities, entity)
		}
	}
	volume.Metadata.EntityMetadata = entities
	volume.Metadata.ContainerCluster = spec.Metadata.ContainerCluster
	volume.Metadata.ContainerClusterArray = spec.Metadata.ContainerClusterArray
	return nil
}

// place is what a block volume has only one entity for.
func place(entity cnstypes.BaseCnsEntityMetadata) [2]string {
	cluster := entity.GetCnsEntityMetadata().ClusterID
	if kubernetes, ok := entity.(*cnstypes.CnsKubernetesEntityMetadata); ok {
		return [2]string{cluster, kubernetes.EntityType}
	}
	return [2]string{cluster, entity.GetCnsEntityMetadata().EntityName}
}

// CnsExtendVolume grows a volume.
func (m *volumeManager) CnsExtendVolume(ctx *simulator.Context, req *cnstypes.CnsExtendVolume) soap.HasFault {
	task := operate(m, ctx, m.vcenter.root(), "CnsExtendVolume", req.ExtendSpecs,
		func(_ *simulator.Context, spec cnstypes.CnsVolumeExtendSpec) (cnstypes.BaseCnsVolumeOperationResult, []string) {
			done := result(spec.VolumeId.Id, m.extend(spec))
			return &done, nil
		})
	return &cnsmethods.CnsExtendVolumeBody{Res: &cnstypes.CnsExtendVolumeResponse{Returnval: task}}
}

func (m *volumeManager) extend(spec cnstypes.CnsVolumeExtendSpec) types.BaseMethodFault {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	if _, fault := m.registered(spec.VolumeId.Id); fault != nil {
		return fault
	}
	return m.vcenter.extendFCD(m.vcenter.catalog.disks[spec.VolumeId.Id], spec.CapacityInMb)
}
