package kube

import (
	"crypto/sha256"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Names that the sidecars, the driver and Kubernetes agree on.
const (
	Driver       = "csi.vsphere.vmware.com"
	InTreePlugin = "kubernetes.io/vsphere-volume"

	ProvisionedBy      = "pv.kubernetes.io/provisioned-by"
	MigratedTo         = "pv.kubernetes.io/migrated-to"
	StorageProvisioner = "volume.kubernetes.io/storage-provisioner"
	SelectedNode       = "volume.kubernetes.io/selected-node"

	AttacherFinalizer    = "external-attacher/csi-vsphere-vmware-com"
	ProvisionerFinalizer = "external-provisioner.volume.kubernetes.io/finalizer"

	// ProvisionerIdentity marks a volume as dynamically provisioned; the syncer registers none of those.
	ProvisionerIdentity = "storage.kubernetes.io/csiProvisionerIdentity"

	TopologyZone   = "topology.csi.vmware.com/zone"
	TopologyRegion = "topology.csi.vmware.com/region"

	// AttachedByPath is the lab's switch: an in-tree volume that could never be registered and hangs
	// on its VM as the in-tree plugin attached it (vsphere-csi-driver issue 3093).
	AttachedByPath = "lab/attached-by-path"
)

// Handle is what the sidecars hand the driver as volume id: the FCD id, or the VMDK path of an
// in-tree volume. It is empty when the volume is none of the driver's.
func Handle(pv *corev1.PersistentVolume) string {
	switch {
	case pv.Spec.VsphereVolume != nil:
		return pv.Spec.VsphereVolume.VolumePath
	case pv.Spec.CSI != nil && pv.Spec.CSI.Driver == Driver:
		return pv.Spec.CSI.VolumeHandle
	}
	return ""
}

// IsAttachedByPath tells whether the lab's switch is on for that in-tree volume.
func IsAttachedByPath(pv *corev1.PersistentVolume) bool {
	return pv.Spec.VsphereVolume != nil && pv.Annotations[AttachedByPath] == "true"
}

// AttachmentName is the name that the attach-detach controller gives the VolumeAttachment.
func AttachmentName(handle, node string) string {
	return fmt.Sprintf("csi-%x", sha256.Sum256([]byte(handle+Driver+node)))
}

// UniqueVolumeName is the volume's name in node.status.volumesInUse and volumesAttached.
func UniqueVolumeName(handle string) corev1.UniqueVolumeName {
	return corev1.UniqueVolumeName("kubernetes.io/csi/" + Driver + "^" + handle)
}
