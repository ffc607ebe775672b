package vcenter

import (
	"cmp"
	"reflect"
	"slices"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// The types below are govmomi's with what pyVmomi needs on the wire: it sends a
// plain filter without xsi:type, and wants an xsi:type on the backing's details.

// CnsQueryVolume is the request of the method of that name.
type CnsQueryVolume struct {
	This   types.ManagedObjectReference `xml:"_this"`
	Filter cnstypes.CnsQueryFilter      `xml:"filter"`
}

// CnsQueryVolumeResponse answers CnsQueryVolume.
type CnsQueryVolumeResponse struct {
	Returnval queryResult `xml:"returnval"`
}

// CnsQueryAllVolumeResponse answers CnsQueryAllVolume.
type CnsQueryAllVolumeResponse struct {
	Returnval queryResult `xml:"returnval"`
}

type queryResult struct {
	Volumes []volume           `xml:"volumes,omitempty"`
	Cursor  cnstypes.CnsCursor `xml:"cursor"`
}

type volume struct {
	types.DynamicData

	VolumeId                     cnstypes.CnsVolumeId                 `xml:"volumeId"`
	DatastoreUrl                 string                               `xml:"datastoreUrl,omitempty"`
	Name                         string                               `xml:"name,omitempty"`
	VolumeType                   string                               `xml:"volumeType,omitempty"`
	StoragePolicyId              string                               `xml:"storagePolicyId,omitempty"`
	Metadata                     cnstypes.CnsVolumeMetadata           `xml:"metadata,omitempty"`
	BackingObjectDetails         cnstypes.BaseCnsBackingObjectDetails `xml:"backingObjectDetails,typeattr"`
	ComplianceStatus             string                               `xml:"complianceStatus,omitempty"`
	DatastoreAccessibilityStatus string                               `xml:"datastoreAccessibilityStatus,omitempty"`
	HealthStatus                 string                               `xml:"healthStatus,omitempty"`
}

func init() {
	types.Add("vsan:CnsQueryVolume", reflect.TypeFor[CnsQueryVolume]())
}

type queryVolumeBody struct {
	Res *CnsQueryVolumeResponse
}

// Fault is none: what is not there is not found.
func (*queryVolumeBody) Fault() *soap.Fault { return nil }

type queryAllVolumeBody struct {
	Res *CnsQueryAllVolumeResponse
}

// Fault is none: what is not there is not found.
func (*queryAllVolumeBody) Fault() *soap.Fault { return nil }

// CnsQueryVolume finds volumes, a page at a time if the filter's cursor has a limit.
func (m *volumeManager) CnsQueryVolume(req *CnsQueryVolume) soap.HasFault {
	return &queryVolumeBody{&CnsQueryVolumeResponse{m.query(req.Filter)}}
}

// CnsQueryAllVolume finds volumes; the selection of properties is ignored.
func (m *volumeManager) CnsQueryAllVolume(req *cnstypes.CnsQueryAllVolume) soap.HasFault {
	req.Filter.Cursor = nil
	return &queryAllVolumeBody{&CnsQueryAllVolumeResponse{m.query(req.Filter)}}
}

func (m *volumeManager) query(filter cnstypes.CnsQueryFilter) queryResult {
	m.vcenter.catalog.Lock()
	defer m.vcenter.catalog.Unlock()
	var found []volume
	for id, known := range m.vcenter.catalog.volumes {
		disk := m.vcenter.catalog.disks[id]
		if matches(filter, known, disk) {
			seen := volume(*known)
			seen.BackingObjectDetails = details(disk)
			found = append(found, seen)
		}
	}
	slices.SortFunc(found, func(a, b volume) int { return cmp.Compare(a.VolumeId.Id, b.VolumeId.Id) })
	return page(found, filter.Cursor)
}

func page(found []volume, cursor *cnstypes.CnsCursor) queryResult {
	total := int64(len(found))
	if cursor == nil || cursor.Limit == 0 {
		return queryResult{found, cnstypes.CnsCursor{Offset: total, Limit: total, TotalRecords: total}}
	}
	start := min(max(cursor.Offset, 0), total)
	end := min(start+cursor.Limit, total)
	return queryResult{found[start:end], cnstypes.CnsCursor{Offset: end, Limit: cursor.Limit, TotalRecords: total}}
}

func details(disk *types.VStorageObject) *cnstypes.CnsBlockBackingDetails {
	return &cnstypes.CnsBlockBackingDetails{
		CnsBackingObjectDetails: cnstypes.CnsBackingObjectDetails{CapacityInMb: disk.Config.CapacityInMB},
		BackingDiskId:           disk.Config.Id.Id,
		BackingDiskObjectId:     backingOf(disk).BackingObjectId,
		BackingDiskPath:         backingOf(disk).FilePath,
	}
}

func matches(filter cnstypes.CnsQueryFilter, known *cnstypes.CnsVolume, disk *types.VStorageObject) bool {
	return among(filter.VolumeIds, known.VolumeId) &&
		among(filter.Names, known.Name) &&
		among(filter.ContainerClusterIds, known.Metadata.ContainerCluster.ClusterId) &&
		among(filter.Datastores, backingOf(disk).Datastore) &&
		(filter.StoragePolicyId == "" || filter.StoragePolicyId == known.StoragePolicyId) &&
		(len(filter.Labels) == 0 || labelled(filter.Labels, known))
}

func among[T comparable](wanted []T, value T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

func labelled(wanted []types.KeyValue, known *cnstypes.CnsVolume) bool {
	return slices.ContainsFunc(known.Metadata.EntityMetadata, func(entity cnstypes.BaseCnsEntityMetadata) bool {
		return slices.ContainsFunc(entity.GetCnsEntityMetadata().Labels, func(label types.KeyValue) bool {
			return slices.Contains(wanted, label)
		})
	})
}
