package kube

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// HasFinalizer tells whether the object carries that finalizer.
func HasFinalizer(object metav1.Object, finalizer string) bool {
	return slices.Contains(object.GetFinalizers(), finalizer)
}

// FinalizerPatch is a merge patch that sets or takes away one finalizer. It carries the resource
// version, for a list is replaced as a whole and another writer's finalizer must not get lost.
func FinalizerPatch(object metav1.Object, finalizer string, present bool) []byte {
	finalizers := slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(f string) bool { return f == finalizer })
	if present {
		finalizers = append(finalizers, finalizer)
	}
	return Marshal(map[string]any{"metadata": map[string]any{
		"finalizers":      finalizers,
		"resourceVersion": object.GetResourceVersion(),
	}})
}

// SetVolumeFinalizer adds the finalizer to the volume, or removes it, and returns the volume as it is
// then. It does nothing when that is so already, or when another volume has taken the name.
func (c *Cluster) SetVolumeFinalizer(
	ctx context.Context, pv *corev1.PersistentVolume, finalizer string, present bool,
) (*corev1.PersistentVolume, error) {
	volumes, uid := c.Client.CoreV1().PersistentVolumes(), pv.UID
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if pv.UID != uid || HasFinalizer(pv, finalizer) == present {
			return nil
		}
		patch := FinalizerPatch(pv, finalizer, present)
		patched, err := volumes.Patch(ctx, pv.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err == nil {
			pv = patched
			return nil
		}
		if current, lookup := volumes.Get(ctx, pv.Name, metav1.GetOptions{}); lookup == nil {
			pv = current
		}
		return err
	})
	return pv, err
}

// Marshal encodes a patch made of plain maps and API types, which cannot fail.
func Marshal(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

// Sleep waits that long, or until ctx ends; it tells whether the whole time passed.
func Sleep(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
