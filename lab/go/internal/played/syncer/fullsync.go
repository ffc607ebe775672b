package syncer

import (
	"context"
	"log"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"lab/internal/played/kube"
	"lab/internal/played/vcenter"
)

// cycles remembers what the last full sync missed: only what two cycles miss is acted upon
// (the driver's cnsCreationMap and cnsDeletionMap).
type cycles struct {
	unregistered map[string]bool
	orphaned     map[string]bool
}

func newCycles() cycles { return cycles{map[string]bool{}, map[string]bool{}} }

// twice returns those of `now` that were seen before as well, and remembers `now` without them.
func twice(before map[string]bool, now []string) (again []string, remembered map[string]bool) {
	remembered = map[string]bool{}
	for _, id := range now {
		if before[id] {
			again = append(again, id)
		} else {
			remembered[id] = true
		}
	}
	return again, remembered
}

// missing returns the ids of `wanted` that `present` has not.
func missing(wanted []string, present map[string]bool) []string {
	var ids []string
	for _, id := range wanted {
		if !present[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// fullSync compares volumes and CNS once. In-tree volumes are registered at once.
func (s *syncer) fullSync(ctx context.Context) error {
	s.operations.Lock()
	defer s.operations.Unlock()
	volumes, ids, err := s.registeredVolumes(ctx)
	if err != nil {
		return err
	}
	known, err := s.vcenter.ClusterVolumes(ctx)
	if err != nil {
		return err
	}
	var create, remove []string
	create, s.cycles.unregistered = twice(s.cycles.unregistered, missing(ids, set(known)))
	remove, s.cycles.orphaned = twice(s.cycles.orphaned, missing(known, set(ids)))
	s.register(ctx, volumes, create)
	s.remove(ctx, remove)
	return nil
}

// registeredVolumes maps FCD ids to the volumes that should be in CNS.
func (s *syncer) registeredVolumes(ctx context.Context) (map[string]*corev1.PersistentVolume, []string, error) {
	all, err := s.volumes.List(labels.Everything())
	if err != nil {
		return nil, nil, err
	}
	volumes := map[string]*corev1.PersistentVolume{}
	var ids []string
	for _, pv := range all {
		if kube.Handle(pv) == "" || kube.IsAttachedByPath(pv) || !isSynced(pv) {
			continue
		}
		id, err := s.handle(ctx, pv)
		if err != nil {
			return nil, nil, err
		}
		if volumes[id] == nil {
			ids = append(ids, id)
		}
		volumes[id] = pv
	}
	return volumes, ids, nil
}

func isSynced(pv *corev1.PersistentVolume) bool {
	return isInUse(pv) || pv.Status.Phase == corev1.VolumeReleased
}

func (s *syncer) register(ctx context.Context, volumes map[string]*corev1.PersistentVolume, ids []string) {
	for _, id := range ids {
		pv := volumes[id]
		if err := s.vcenter.RegisterFCD(ctx, pv.Name, id, []vcenter.Entity{volumeEntity(pv)}); err != nil {
			log.Printf("full sync: %s of PV %s: %v", id, pv.Name, err)
			s.recorder.Event(pv, corev1.EventTypeWarning, "static volume provisioning failed", err.Error())
			continue
		}
		s.recorder.Event(pv, corev1.EventTypeNormal, "static volume provisioning succeeded",
			"Successfully created container volume")
	}
}

func (s *syncer) remove(ctx context.Context, ids []string) {
	for _, id := range ids {
		if err := s.vcenter.DeleteVolume(ctx, id, false); err != nil {
			log.Printf("full sync: %s has no volume and stays registered: %v", id, err)
		}
	}
}

func set(ids []string) map[string]bool {
	present := map[string]bool{}
	for _, id := range ids {
		present[id] = true
	}
	return present
}
