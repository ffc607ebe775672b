// Package resizer plays external-resizer and the driver's ControllerExpandVolume behind it.
package resizer

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/migration"
	"lab/internal/played/vcenter"
)

// Part is the sidecar's name; it runs in the provisioner's process.
const Part = "external-resizer"

const workers = 4

type resizer struct {
	cluster  *kube.Cluster
	vcenter  *vcenter.VCenter
	store    *migration.Store
	claims   corelisters.PersistentVolumeClaimLister
	volumes  corelisters.PersistentVolumeLister
	recorder record.EventRecorder
}

// Run works until ctx ends.
func Run(ctx context.Context, c *config.Config, cluster *kube.Cluster, vc *vcenter.VCenter) error {
	core := cluster.Informers.Core().V1()
	r := &resizer{
		cluster:  cluster,
		vcenter:  vc,
		store:    migration.NewStore(cluster.Dynamic),
		claims:   core.PersistentVolumeClaims().Lister(),
		volumes:  core.PersistentVolumes().Lister(),
		recorder: cluster.Recorder(ctx, Part+" "+kube.Driver),
	}
	loop := kube.NewLoop("resize", c.Delays.Of(config.Retry), c.Delays.Of(config.RetryMax), r.reconcile)
	if err := loop.Watch(core.PersistentVolumeClaims().Informer()); err != nil {
		return err
	}
	if err := cluster.Start(ctx); err != nil {
		return err
	}
	loop.Run(ctx, workers)
	return nil
}

func (r *resizer) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	claim, err := r.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || claim.Status.Phase != corev1.ClaimBound {
		return err
	}
	pv, err := r.volumes.Get(claim.Spec.VolumeName)
	if err != nil || kube.Handle(pv) == "" || !wantsMore(claim, pv) {
		return err
	}
	if err := r.expand(ctx, claim, pv); err != nil {
		r.recorder.Event(claim, corev1.EventTypeWarning, "VolumeResizeFailed", err.Error())
		return err
	}
	return nil
}

func wantsMore(claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) bool {
	request, capacity := claim.Spec.Resources.Requests[corev1.ResourceStorage], pv.Spec.Capacity[corev1.ResourceStorage]
	return request.Cmp(capacity) > 0
}

func (r *resizer) expand(ctx context.Context, claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume) error {
	id, err := r.volumeID(ctx, pv)
	if err != nil {
		return err
	}
	const mebibyte = 1 << 20
	request := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if err := r.vcenter.ExtendDisk(ctx, id, (request.Value()+mebibyte-1)/mebibyte); err != nil {
		return fmt.Errorf("rpc error: code = Internal desc = failed to expand volume: %q: %w", id, err)
	}
	patch := kube.Marshal(map[string]any{"spec": map[string]any{"capacity": map[string]string{"storage": request.String()}}})
	_, err = r.cluster.Client.CoreV1().PersistentVolumes().Patch(ctx, pv.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	return r.askNode(ctx, claim)
}

// askNode leaves the file system to the kubelet.
func (r *resizer) askNode(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	pending := corev1.PersistentVolumeClaimCondition{
		Type: corev1.PersistentVolumeClaimFileSystemResizePending, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.Now(),
		Message:            "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
	}
	others := slices.DeleteFunc(slices.Clone(claim.Status.Conditions),
		func(c corev1.PersistentVolumeClaimCondition) bool { return c.Type == pending.Type })
	patch := kube.Marshal(map[string]any{"status": map[string]any{"conditions": append(others, pending)}})
	_, err := r.cluster.Client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(
		ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (r *resizer) volumeID(ctx context.Context, pv *corev1.PersistentVolume) (string, error) {
	if pv.Spec.VsphereVolume != nil {
		return r.store.ControllerVolumeID(ctx, pv.Spec.VsphereVolume.VolumePath)
	}
	return pv.Spec.CSI.VolumeHandle, nil
}
