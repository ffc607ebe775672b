package syncer

import (
	"context"
	"log"
	"maps"

	cnstypes "github.com/vmware/govmomi/cns/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/vcenter"
)

func (s *syncer) watchClaims(ctx context.Context) error {
	claims := s.cluster.Informers.Core().V1().PersistentVolumeClaims().Informer()
	_, err := claims.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, object any) {
			s.claimUpdated(ctx, old.(*corev1.PersistentVolumeClaim), object.(*corev1.PersistentVolumeClaim))
		},
		DeleteFunc: func(object any) {
			if claim, seen := object.(*corev1.PersistentVolumeClaim); seen {
				s.claimDeleted(ctx, claim)
			}
		},
	})
	return err
}

// claimUpdated registers an in-tree volume whose claim got bound, and has the claim's name written to
// CNS some seconds later. Other events need not wait for that.
func (s *syncer) claimUpdated(ctx context.Context, old, claim *corev1.PersistentVolumeClaim) {
	if claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil {
		return
	}
	if old.Status.Phase == corev1.ClaimBound && maps.Equal(old.Labels, claim.Labels) {
		return
	}
	pv, err := s.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		log.Printf("PVC %s/%s updated: %v", claim.Namespace, claim.Name, err)
		return
	}
	if kube.Handle(pv) == "" || kube.IsAttachedByPath(pv) {
		return
	}
	go s.writeClaim(ctx, pv, claim)
}

func (s *syncer) writeClaim(ctx context.Context, pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) {
	if err := s.registerClaimed(ctx, pv); err != nil {
		log.Printf("PVC %s/%s updated: %v", claim.Namespace, claim.Name, err)
		return
	}
	if kube.Sleep(ctx, s.delays.Of(config.ClaimMetadata)) {
		s.setClaimEntity(ctx, pv, claim, false)
	}
}

func (s *syncer) registerClaimed(ctx context.Context, pv *corev1.PersistentVolume) error {
	s.operations.Lock()
	defer s.operations.Unlock()
	_, err := s.handle(ctx, pv)
	return err
}

func (s *syncer) claimDeleted(ctx context.Context, claim *corev1.PersistentVolumeClaim) {
	pv, err := s.volumes.Get(claim.Spec.VolumeName)
	if err != nil || kube.Handle(pv) == "" || kube.IsAttachedByPath(pv) || isControllersToDelete(pv) {
		return
	}
	s.setClaimEntity(ctx, pv, claim, true)
}

func (s *syncer) setClaimEntity(
	ctx context.Context, pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim, deleted bool,
) {
	s.operations.Lock()
	defer s.operations.Unlock()
	if current, err := s.volumes.Get(pv.Name); err != nil || current.UID != pv.UID {
		return
	}
	id, err := s.handle(ctx, pv)
	if err == nil {
		err = s.vcenter.UpdateMetadata(ctx, id, []vcenter.Entity{claimEntity(claim, deleted)})
	}
	if err != nil {
		log.Printf("PVC %s/%s: metadata: %v", claim.Namespace, claim.Name, err)
	}
}

func claimEntity(claim *corev1.PersistentVolumeClaim, deleted bool) vcenter.Entity {
	return vcenter.Entity{
		Type: cnstypes.CnsKubernetesEntityTypePVC, Namespace: claim.Namespace, Name: claim.Name,
		Labels: claim.Labels, Delete: deleted,
	}
}
