package kubelet

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"lab/internal/played/kube"
)

const kubeletVersion = "v1.34.4"

// attachLimit is the driver's default number of block volumes on a node.
const attachLimit int32 = 59

func (n *node) manifest() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name,
			Labels: map[string]string{
				corev1.LabelHostname:       n.Name,
				corev1.LabelOSStable:       "linux",
				corev1.LabelArchStable:     "amd64",
				corev1.LabelTopologyZone:   n.Zone,
				corev1.LabelTopologyRegion: n.Region,
				kube.TopologyZone:          n.Zone,
				kube.TopologyRegion:        n.Region,
			},
			Annotations: map[string]string{"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{ProviderID: "vsphere://" + n.UUID},
	}
}

// status leaves the volumes alone: those in use are reported by themselves, and those attached are the
// attach-detach controller's.
func (n *node) status(now metav1.Time) map[string]any {
	resources := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("250"),
	}
	return map[string]any{
		"capacity":    resources,
		"allocatable": resources,
		"conditions":  conditions(n.started, now),
		"addresses": []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: n.ip}, {Type: corev1.NodeHostName, Address: n.Name},
		},
		"nodeInfo": corev1.NodeSystemInfo{
			KubeletVersion: kubeletVersion, OperatingSystem: "linux", Architecture: "amd64", SystemUUID: n.UUID,
			OSImage: "lab", KernelVersion: "lab", ContainerRuntimeVersion: "lab://1",
		},
	}
}

func conditions(started, now metav1.Time) []corev1.NodeCondition {
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type: kind, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: started,
		}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
		condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
	}
}

func (n *node) csiNode(registered *corev1.Node) *storagev1.CSINode {
	limit := attachLimit
	return &storagev1.CSINode{
		ObjectMeta: metav1.ObjectMeta{
			Name:        n.Name,
			Annotations: map[string]string{"storage.alpha.kubernetes.io/migrated-plugins": kube.InTreePlugin},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: registered.UID},
			},
		},
		Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{
			Name:         kube.Driver,
			NodeID:       n.UUID,
			TopologyKeys: []string{kube.TopologyRegion, kube.TopologyZone},
			Allocatable:  &storagev1.VolumeNodeResources{Count: &limit},
		}}},
	}
}

func csiDriver() *storagev1.CSIDriver {
	attach, podInfo := true, false
	policy := storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy
	return &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: kube.Driver},
		Spec: storagev1.CSIDriverSpec{
			AttachRequired:       &attach,
			PodInfoOnMount:       &podInfo,
			FSGroupPolicy:        &policy,
			VolumeLifecycleModes: []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent},
		},
	}
}

func ensureNode(ctx context.Context, client kubernetes.Interface, node *corev1.Node) (*corev1.Node, error) {
	created, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
	}
	return created, err
}

func ensureCSINode(ctx context.Context, client kubernetes.Interface, node *storagev1.CSINode) error {
	_, err := client.StorageV1().CSINodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func ensureCSIDriver(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.StorageV1().CSIDrivers().Create(ctx, csiDriver(), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
