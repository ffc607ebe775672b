package kubelet

import (
	"context"
	"log"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/retry"
)

func isPending(condition corev1.PersistentVolumeClaimCondition) bool {
	return condition.Type == corev1.PersistentVolumeClaimFileSystemResizePending
}

// claimSeen grows the file system of a claim whose volume has grown, if a running pod uses it.
func (k *kubelet) claimSeen(ctx context.Context, claim *corev1.PersistentVolumeClaim) {
	if !slices.ContainsFunc(claim.Status.Conditions, isPending) {
		return
	}
	pods, err := k.pods.Pods(claim.Namespace).List(labels.Everything())
	if err != nil {
		log.Printf("claim %s/%s: %v", claim.Namespace, claim.Name, err)
		return
	}
	for _, pod := range pods {
		if k.own[pod.Spec.NodeName] != nil && pod.Status.Phase == corev1.PodRunning &&
			slices.Contains(claims(pod), claim.Name) {
			go k.expand(ctx, pod)
		}
	}
}

// expand finishes the expansions that wait for a node.
func (k *kubelet) expand(ctx context.Context, pod *corev1.Pod) {
	for _, name := range claims(pod) {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error { return k.expandClaim(ctx, pod.Namespace, name) })
		if err != nil {
			log.Printf("claim %s/%s: %v", pod.Namespace, name, err)
		}
	}
}

func (k *kubelet) expandClaim(ctx context.Context, namespace, name string) error {
	claims := k.cluster.Client.CoreV1().PersistentVolumeClaims(namespace)
	claim, err := claims.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || !slices.ContainsFunc(claim.Status.Conditions, isPending) {
		return err
	}
	pv, err := k.cluster.Client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	claim.Status.Capacity = pv.Spec.Capacity
	claim.Status.Conditions = slices.DeleteFunc(claim.Status.Conditions, isPending)
	_, err = claims.UpdateStatus(ctx, claim, metav1.UpdateOptions{})
	return err
}
