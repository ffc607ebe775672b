package syncer

import (
	"context"
	"fmt"
	"log"
	"maps"

	corev1 "k8s.io/api/core/v1"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/vcenter"
)

// work is what an update of a volume asks for.
type work int

const (
	nothing work = iota
	registerStatic
	updateMetadata
)

// wanted decides as pvUpdated and csiPVUpdated of the driver do.
func wanted(old, pv *corev1.PersistentVolume) work {
	switch {
	case kube.Handle(pv) == "" || kube.IsAttachedByPath(pv) || pv.DeletionTimestamp != nil:
		return nothing
	case pv.Status.Phase == corev1.VolumePending || pv.Status.Phase == corev1.VolumeFailed:
		return nothing
	case isInUse(old) && unchanged(old, pv):
		return nothing
	case isLeftToProvisioner(old, pv):
		return nothing
	case isNewStatic(old, pv):
		return registerStatic
	}
	return updateMetadata
}

func isInUse(pv *corev1.PersistentVolume) bool {
	return pv.Status.Phase == corev1.VolumeAvailable || pv.Status.Phase == corev1.VolumeBound
}

// unchanged ignores a CSI volume's annotations, and of an in-tree volume all but migrated-to.
func unchanged(old, pv *corev1.PersistentVolume) bool {
	sameMigration := pv.Spec.VsphereVolume == nil || old.Annotations[kube.MigratedTo] == pv.Annotations[kube.MigratedTo]
	return sameMigration && maps.Equal(old.Labels, pv.Labels)
}

func isLeftToProvisioner(old, pv *corev1.PersistentVolume) bool {
	return old.Status.Phase == corev1.VolumeBound && pv.Status.Phase == corev1.VolumeReleased &&
		old.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
}

func isNewStatic(old, pv *corev1.PersistentVolume) bool {
	if pv.Spec.CSI == nil || old.Status.Phase != corev1.VolumePending {
		return false
	}
	_, dynamic := pv.Spec.CSI.VolumeAttributes[kube.ProvisionerIdentity]
	return !dynamic
}

func (s *syncer) volumeUpdated(ctx context.Context, old, pv *corev1.PersistentVolume) {
	var err error
	switch wanted(old, pv) {
	case nothing:
		return
	case registerStatic:
		err = s.registerStatic(ctx, pv)
	case updateMetadata:
		err = s.updateMetadata(ctx, pv)
	}
	if err != nil {
		log.Printf("PV %s updated: %v", pv.Name, err)
	}
}

// registerStatic makes the FCD of a new static volume a CNS volume; one that is registered already only
// gets the new volume's metadata, whoever registered it.
func (s *syncer) registerStatic(ctx context.Context, pv *corev1.PersistentVolume) error {
	kube.Sleep(ctx, s.delays.Of(config.Syncer))
	s.operations.Lock()
	defer s.operations.Unlock()
	id := pv.Spec.CSI.VolumeHandle
	known, err := s.vcenter.IsRegistered(ctx, id)
	if err != nil {
		return err
	}
	entities := []vcenter.Entity{volumeEntity(pv)}
	if known {
		return s.vcenter.UpdateMetadata(ctx, id, entities)
	}
	if err := s.vcenter.RegisterFCD(ctx, pv.Name, id, entities); err != nil {
		message := fmt.Sprintf("Failed to create volume on VC %s", s.vcenter.Host())
		s.recorder.Event(pv, corev1.EventTypeWarning, "static volume provisioning failed", message)
		return err
	}
	log.Printf("registered static volume %s (%s)", pv.Name, id)
	return nil
}

func (s *syncer) updateMetadata(ctx context.Context, pv *corev1.PersistentVolume) error {
	kube.Sleep(ctx, s.delays.Of(config.Syncer))
	s.operations.Lock()
	defer s.operations.Unlock()
	id, err := s.handle(ctx, pv)
	if err != nil {
		return err
	}
	return s.vcenter.UpdateMetadata(ctx, id, []vcenter.Entity{volumeEntity(pv)})
}

// isControllersToDelete tells whether the external-provisioner destroys disk and registration together.
func isControllersToDelete(pv *corev1.PersistentVolume) bool {
	return pv.Spec.ClaimRef != nil && pv.Status.Phase == corev1.VolumeReleased &&
		pv.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
}

func (s *syncer) volumeDeleted(ctx context.Context, pv *corev1.PersistentVolume) {
	if kube.Handle(pv) == "" || isControllersToDelete(pv) {
		return
	}
	kube.Sleep(ctx, s.delays.Of(config.Syncer))
	s.operations.Lock()
	defer s.operations.Unlock()
	if err := s.unregister(ctx, pv); err != nil {
		log.Printf("PV %s deleted: %v", pv.Name, err)
	}
}

// unregister takes the volume out of CNS and keeps its disk. The migration object goes even when CNS
// refused, so "object gone" does not prove "unregistered".
func (s *syncer) unregister(ctx context.Context, pv *corev1.PersistentVolume) error {
	id, err := s.handle(ctx, pv)
	if err != nil {
		return err
	}
	if err := s.vcenter.DeleteVolume(ctx, id, false); err != nil {
		log.Printf("PV %s deleted: %s stays registered: %v", pv.Name, id, err)
	}
	if pv.Spec.VsphereVolume == nil {
		return nil
	}
	return s.store.Delete(ctx, id)
}
