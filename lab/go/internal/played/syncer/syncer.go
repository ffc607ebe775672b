// Package syncer plays the vSphere CSI driver's syncer: it registers volumes with CNS, takes them out
// again when their PersistentVolume goes, and keeps the CnsVSphereVolumeMigration objects.
package syncer

import (
	"context"
	"errors"
	"log"
	"sync"

	cnstypes "github.com/vmware/govmomi/cns/types"
	corev1 "k8s.io/api/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/migration"
	"lab/internal/played/vcenter"
)

// Part is the name of the subcommand and of its kubeconfig.
const Part = "syncer"

type syncer struct {
	delays   config.Delays
	cluster  *kube.Cluster
	vcenter  *vcenter.VCenter
	store    *migration.Store
	volumes  corelisters.PersistentVolumeLister
	claims   corelisters.PersistentVolumeClaimLister
	recorder record.EventRecorder

	// operations is the driver's volumeOperationsLock: one volume operation at a time.
	operations sync.Mutex
	cycles     cycles
}

// Run installs the driver's definitions and works until ctx ends.
func Run(ctx context.Context, c *config.Config, cluster *kube.Cluster, vc *vcenter.VCenter) error {
	if err := install(ctx, cluster.Dynamic); err != nil {
		return err
	}
	s := &syncer{
		delays:   c.Delays,
		cluster:  cluster,
		vcenter:  vc,
		store:    migration.NewStore(cluster.Dynamic),
		volumes:  cluster.Informers.Core().V1().PersistentVolumes().Lister(),
		claims:   cluster.Informers.Core().V1().PersistentVolumeClaims().Lister(),
		recorder: cluster.Recorder(ctx, "VSphere CSI Syncer"),
		cycles:   newCycles(),
	}
	if err := s.watch(ctx); err != nil {
		return err
	}
	trigger := newTrigger(s)
	if err := trigger.prepare(ctx); err != nil {
		return err
	}
	if err := cluster.Start(ctx); err != nil {
		return err
	}
	kube.Ready(Part)
	trigger.run(ctx)
	return nil
}

// watch handles events where they arrive, one at a time and never again, as the driver does: an ADD is
// not looked at, a failure not retried, and a deletion that was missed stays missed.
func (s *syncer) watch(ctx context.Context) error {
	volumes := s.cluster.Informers.Core().V1().PersistentVolumes().Informer()
	_, err := volumes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(old, object any) {
			s.volumeUpdated(ctx, old.(*corev1.PersistentVolume), object.(*corev1.PersistentVolume))
		},
		DeleteFunc: func(object any) {
			// A tombstone is dropped.
			if pv, seen := object.(*corev1.PersistentVolume); seen {
				kube.CrashOnUnclaimed(pv)
				s.volumeDeleted(ctx, pv)
			}
		},
	})
	if err != nil {
		return err
	}
	return s.watchClaims(ctx)
}

// volumeID returns the FCD id of the in-tree volume, registering it first if nobody has.
func (s *syncer) volumeID(ctx context.Context, path string) (string, error) {
	id, err := s.store.VolumeID(ctx, path)
	if !errors.Is(err, migration.ErrNotRegistered) {
		return id, err
	}
	id, err = s.vcenter.RegisterPath(ctx, path)
	if err != nil {
		return "", err
	}
	log.Printf("registered %s as %s", path, id)
	return id, s.store.Save(ctx, id, path)
}

// handle returns the FCD id of any volume of the driver's.
func (s *syncer) handle(ctx context.Context, pv *corev1.PersistentVolume) (string, error) {
	if pv.Spec.VsphereVolume != nil {
		return s.volumeID(ctx, pv.Spec.VsphereVolume.VolumePath)
	}
	return pv.Spec.CSI.VolumeHandle, nil
}

func volumeEntity(pv *corev1.PersistentVolume) vcenter.Entity {
	return vcenter.Entity{Type: cnstypes.CnsKubernetesEntityTypePV, Name: pv.Name, Labels: pv.Labels}
}
