package attacher

import (
	"context"
	"errors"
	"fmt"
	"log"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"lab/internal/played/kube"
)

// nodeIDAnnotation keeps the node's id, for the CSINode may be gone when the volume is detached.
const nodeIDAnnotation = "csi.alpha.kubernetes.io/node-id"

func now() metav1.Time { return metav1.Now() }

func joinReport(err, report error) error {
	if apierrors.IsNotFound(report) {
		return err
	}
	return errors.Join(err, report)
}

func (a *attacher) nodeID(va *storagev1.VolumeAttachment) (string, error) {
	node, err := a.nodes.Get(va.Spec.NodeName)
	if err == nil {
		for _, driver := range node.Spec.Drivers {
			if driver.Name == kube.Driver {
				return driver.NodeID, nil
			}
		}
	}
	if id := va.Annotations[nodeIDAnnotation]; id != "" {
		return id, nil
	}
	return "", fmt.Errorf("CSINode %s does not contain driver %s", va.Spec.NodeName, kube.Driver)
}

// claim puts the attacher's finalizer and the node's id on the attachment.
func (a *attacher) claim(ctx context.Context, va *storagev1.VolumeAttachment, node string) error {
	if kube.HasFinalizer(va, kube.AttacherFinalizer) && va.Annotations[nodeIDAnnotation] == node {
		return nil
	}
	patch := kube.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers":  append(va.Finalizers[:len(va.Finalizers):len(va.Finalizers)], kube.AttacherFinalizer),
		"annotations": map[string]string{nodeIDAnnotation: node},
	}})
	_, err := a.cluster.Client.StorageV1().VolumeAttachments().Patch(
		ctx, va.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// release reports the attachment as detached and lets it go.
func (a *attacher) release(ctx context.Context, va *storagev1.VolumeAttachment) error {
	err := a.patchStatus(ctx, va.Name, map[string]any{
		"attached": false, "detachError": nil, "attachmentMetadata": nil,
	})
	if err == nil {
		patch := kube.Marshal(map[string]any{"metadata": map[string]any{"finalizers": others(va.Finalizers)}})
		_, err = a.cluster.Client.StorageV1().VolumeAttachments().Patch(
			ctx, va.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func others(finalizers []string) []string {
	kept := []string{}
	for _, finalizer := range finalizers {
		if finalizer != kube.AttacherFinalizer {
			kept = append(kept, finalizer)
		}
	}
	return kept
}

func (a *attacher) patchStatus(ctx context.Context, name string, status map[string]any) error {
	patch := kube.Marshal(map[string]any{"status": status})
	_, err := a.cluster.Client.StorageV1().VolumeAttachments().Patch(
		ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// reconcileFinalizer lets a volume go that is being deleted and that no attachment names.
func (a *attacher) reconcileFinalizer(ctx context.Context, name string) error {
	pv, err := a.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || pv.DeletionTimestamp == nil || !kube.HasFinalizer(pv, kube.AttacherFinalizer) {
		return err
	}
	named, err := a.isNamed(name)
	if err != nil || named {
		return err
	}
	_, err = a.cluster.SetVolumeFinalizer(ctx, pv, kube.AttacherFinalizer, false)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (a *attacher) isNamed(volume string) (bool, error) {
	attachments, err := a.attachments.List(labels.Everything())
	for _, va := range attachments {
		if va.Spec.Source.PersistentVolumeName != nil && *va.Spec.Source.PersistentVolumeName == volume {
			return true, nil
		}
	}
	return false, err
}

func (a *attacher) republishOnce(ctx context.Context) {
	paths, err := a.driver.store.Paths(ctx)
	if err != nil {
		log.Printf("reconcile: %v", err)
		return
	}
	attachments, err := a.attachments.List(labels.Everything())
	if err != nil {
		log.Printf("reconcile: %v", err)
		return
	}
	for _, va := range attachments {
		a.republishMismatch(ctx, va, paths)
	}
}

func (a *attacher) republishMismatch(ctx context.Context, va *storagev1.VolumeAttachment, paths map[string]string) {
	pv, err := a.volumeOf(va)
	if err != nil || va.DeletionTimestamp != nil || !va.Status.Attached || pv.Spec.CSI == nil {
		return
	}
	path, listedByPath := paths[pv.Spec.CSI.VolumeHandle]
	if !listedByPath {
		return
	}
	log.Printf("VA %s for volume %s has attached status true but actual state false: "+
		"volume handles do not match (listed as %s)", va.Name, pv.Spec.CSI.VolumeHandle, path)
	node, err := a.nodeID(va)
	if err == nil {
		_, err = a.driver.publish(ctx, pv, node)
	}
	if err != nil {
		log.Printf("VA %s: %v", va.Name, err)
	}
}
