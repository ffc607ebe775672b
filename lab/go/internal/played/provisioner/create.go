package provisioner

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	translation "k8s.io/csi-translation-lib"

	"lab/internal/played/kube"
)

func newIdentity() string {
	return fmt.Sprintf("%d-%d-%s", time.Now().UnixMilli(), rand.IntN(10000), kube.Driver)
}

// provision makes a new, empty disk and its volume. A volume that exists by that name is the outcome of
// an earlier try.
func (p *provisioner) provision(
	ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass,
) error {
	name := "pvc-" + string(claim.UID)
	if _, err := p.volumes.Get(name); !apierrors.IsNotFound(err) {
		return err
	}
	p.recorder.Event(claim, corev1.EventTypeNormal, "Provisioning",
		fmt.Sprintf("External provisioner is provisioning volume for claim %q", claim.Namespace+"/"+claim.Name))
	pv, err := p.newVolume(ctx, name, claim, class)
	if err == nil {
		_, err = p.cluster.Client.CoreV1().PersistentVolumes().Create(ctx, pv, metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		p.recorder.Event(claim, corev1.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	log.Printf("provisioned %s for %s/%s", name, claim.Namespace, claim.Name)
	p.recorder.Event(claim, corev1.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume "+name)
	return nil
}

func (p *provisioner) newVolume(
	ctx context.Context, name string, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass,
) (*corev1.PersistentVolume, error) {
	affinity, err := p.affinity(claim)
	if err != nil {
		return nil, err
	}
	datastore := p.datastore(class)
	id, err := p.vcenter.CreateDisk(ctx, name, datastore, megabytes(claim))
	if err != nil {
		return nil, err
	}
	pv := p.manifest(name, id, claim, class)
	pv.Spec.NodeAffinity = affinity
	if class.Provisioner != kube.InTreePlugin {
		return pv, nil
	}
	file, err := p.vcenter.FilePath(ctx, datastore, id)
	if err != nil {
		return nil, err
	}
	return inTree(pv, file)
}

// inTree gives the volume the spec of the plugin that its class still names; only migrated-to tells
// that the driver made it.
func inTree(pv *corev1.PersistentVolume, file string) (*corev1.PersistentVolume, error) {
	pv.Spec.CSI.VolumeAttributes["initialvolumefilepath"] = file
	translated, err := translation.New().TranslateCSIPVToInTree(pv)
	if err != nil {
		return nil, err
	}
	translated.Annotations[kube.ProvisionedBy] = kube.InTreePlugin
	translated.Annotations[kube.MigratedTo] = kube.Driver
	return translated, nil
}

func (p *provisioner) affinity(claim *corev1.PersistentVolumeClaim) (*corev1.VolumeNodeAffinity, error) {
	selected := claim.Annotations[kube.SelectedNode]
	if selected == "" {
		return nil, nil
	}
	csiNode, err := p.csiNodes.Get(selected)
	if err != nil {
		return nil, err
	}
	node, err := p.nodes.Get(selected)
	if err != nil {
		return nil, err
	}
	return topology(csiNode, node.Labels)
}

// datastore is the class's own, by name or by the last segment of its URL, or the configured one.
func (p *provisioner) datastore(class *storagev1.StorageClass) string {
	for key, value := range class.Parameters {
		switch strings.ToLower(key) {
		case "datastore":
			return value
		case "datastoreurl":
			return path.Base(strings.TrimSuffix(value, "/"))
		}
	}
	return p.config.VCenter.DefaultDatastore
}

func (p *provisioner) manifest(
	name, id string, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass,
) *corev1.PersistentVolume {
	policy := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{kube.ProvisionedBy: kube.Driver}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      capacity(claim),
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			MountOptions:                  class.MountOptions,
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			ClaimRef:                      claimRef(claim),
			PersistentVolumeSource:        p.source(id, class),
		},
	}
	if policy == corev1.PersistentVolumeReclaimDelete {
		pv.Finalizers = []string{kube.ProvisionerFinalizer}
	}
	return pv
}

func (p *provisioner) source(id string, class *storagev1.StorageClass) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
		Driver:       kube.Driver,
		VolumeHandle: id,
		FSType:       fileSystem(class),
		VolumeAttributes: map[string]string{
			"type":                   "vSphere CNS Block Volume",
			kube.ProvisionerIdentity: p.identity,
		},
	}}
}

func capacity(claim *corev1.PersistentVolumeClaim) corev1.ResourceList {
	size := resource.NewQuantity(megabytes(claim)<<20, resource.BinarySI)
	return corev1.ResourceList{corev1.ResourceStorage: *size}
}

func claimRef(claim *corev1.PersistentVolumeClaim) *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion:      "v1",
		Kind:            "PersistentVolumeClaim",
		Namespace:       claim.Namespace,
		Name:            claim.Name,
		UID:             claim.UID,
		ResourceVersion: claim.ResourceVersion,
	}
}
