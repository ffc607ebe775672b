package provisioner

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"lab/internal/played/kube"
)

const betaStorageProvisioner = "volume.beta.kubernetes.io/storage-provisioner"

// wantsVolume tells whether that claim is the provisioner's to serve: named for it, without a volume,
// and with a node chosen where the class waits for the first consumer.
func wantsVolume(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) bool {
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return false
	}
	if provisionerOf(claim) != kube.Driver {
		return false
	}
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	return !waits || claim.Annotations[kube.SelectedNode] != ""
}

func provisionerOf(claim *corev1.PersistentVolumeClaim) string {
	if name := claim.Annotations[kube.StorageProvisioner]; name != "" {
		return name
	}
	return claim.Annotations[betaStorageProvisioner]
}

// isOurs tells whether the volume was provisioned by the driver, or by the plugin that it replaced, or
// is a static volume of the driver's.
func isOurs(pv *corev1.PersistentVolume) bool {
	if by, dynamic := pv.Annotations[kube.ProvisionedBy]; dynamic {
		return by == kube.Driver || pv.Annotations[kube.MigratedTo] == kube.Driver
	}
	return pv.Spec.CSI != nil && pv.Spec.CSI.Driver == kube.Driver
}

// wantsFinalizer tells whether the volume has to carry the provisioner's finalizer; what is neither to
// be added nor removed stays as it is.
func wantsFinalizer(pv *corev1.PersistentVolume) bool {
	if pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return false
	}
	return kube.HasFinalizer(pv, kube.ProvisionerFinalizer) ||
		pv.DeletionTimestamp == nil && pv.Status.Phase == corev1.VolumeBound
}

// mustDelete tells whether disk and volume are to be destroyed.
func mustDelete(pv *corev1.PersistentVolume) bool {
	if pv.DeletionTimestamp != nil && !kube.HasFinalizer(pv, kube.ProvisionerFinalizer) {
		return false
	}
	return isOurs(pv) && pv.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete &&
		(pv.Status.Phase == corev1.VolumeReleased || pv.Status.Phase == corev1.VolumeFailed)
}

// attachedTo names the node of an attachment that still names the volume, or is empty.
func attachedTo(pv *corev1.PersistentVolume, attachments []*storagev1.VolumeAttachment) string {
	for _, va := range attachments {
		if va.Spec.Source.PersistentVolumeName != nil && *va.Spec.Source.PersistentVolumeName == pv.Name {
			return va.Spec.NodeName
		}
	}
	return ""
}

// fileSystem is the class's file system; the provisioner's --default-fstype is ext4.
func fileSystem(class *storagev1.StorageClass) string {
	for _, key := range []string{"csi.storage.k8s.io/fstype", "fstype"} {
		if name := class.Parameters[key]; name != "" {
			return name
		}
	}
	return "ext4"
}

// megabytes rounds the claim's request up to whole MiB, as the driver does.
func megabytes(claim *corev1.PersistentVolumeClaim) int64 {
	const mebibyte = 1 << 20
	request := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	return (request.Value() + mebibyte - 1) / mebibyte
}

func className(claim *corev1.PersistentVolumeClaim) string {
	if name := claim.Annotations[corev1.BetaStorageClassAnnotation]; name != "" {
		return name
	}
	if claim.Spec.StorageClassName == nil {
		return ""
	}
	return *claim.Spec.StorageClassName
}

// topology pins a volume that waited for its consumer to the zone and region of that consumer's node.
func topology(node *storagev1.CSINode, labels map[string]string) (*corev1.VolumeNodeAffinity, error) {
	var terms []corev1.NodeSelectorRequirement
	for _, driver := range node.Spec.Drivers {
		if driver.Name != kube.Driver {
			continue
		}
		for _, key := range driver.TopologyKeys {
			terms = append(terms, corev1.NodeSelectorRequirement{
				Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{labels[key]},
			})
		}
		return affinity(terms), nil
	}
	return nil, fmt.Errorf("CSINode %s does not contain driver %s", node.Name, kube.Driver)
}

func affinity(requirements []corev1.NodeSelectorRequirement) *corev1.VolumeNodeAffinity {
	if len(requirements) == 0 {
		return nil
	}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: requirements}},
	}}
}
