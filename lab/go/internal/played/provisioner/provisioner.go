// Package provisioner plays external-provisioner and the driver's CreateVolume and DeleteVolume behind it.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/migration"
	"lab/internal/played/vcenter"
)

// Part is the name of the subcommand and of its kubeconfig.
const Part = "external-provisioner"

const workers = 10

type provisioner struct {
	config      *config.Config
	cluster     *kube.Cluster
	vcenter     *vcenter.VCenter
	store       *migration.Store
	claims      corelisters.PersistentVolumeClaimLister
	volumes     corelisters.PersistentVolumeLister
	nodes       corelisters.NodeLister
	classes     storagelisters.StorageClassLister
	csiNodes    storagelisters.CSINodeLister
	attachments storagelisters.VolumeAttachmentLister
	recorder    record.EventRecorder
	identity    string
}

// Run works until ctx ends.
func Run(ctx context.Context, c *config.Config, cluster *kube.Cluster, vc *vcenter.VCenter) error {
	core, storage := cluster.Informers.Core().V1(), cluster.Informers.Storage().V1()
	p := &provisioner{
		config:      c,
		cluster:     cluster,
		vcenter:     vc,
		store:       migration.NewStore(cluster.Dynamic),
		claims:      core.PersistentVolumeClaims().Lister(),
		volumes:     core.PersistentVolumes().Lister(),
		nodes:       core.Nodes().Lister(),
		classes:     storage.StorageClasses().Lister(),
		csiNodes:    storage.CSINodes().Lister(),
		attachments: storage.VolumeAttachments().Lister(),
		recorder:    cluster.Recorder(ctx, kube.Driver+"_external-provisioner"),
		identity:    newIdentity(),
	}
	retry, retryMax := c.Delays.Of(config.Retry), c.Delays.Of(config.RetryMax)
	claims := kube.NewLoop("claim", retry, retryMax, p.reconcileClaim)
	volumes := kube.NewLoop("volume", retry, retryMax, p.reconcileVolume)
	if err := errors.Join(
		claims.Watch(core.PersistentVolumeClaims().Informer()),
		volumes.Watch(core.PersistentVolumes().Informer()),
	); err != nil {
		return err
	}
	if err := cluster.Start(ctx); err != nil {
		return err
	}
	kube.Ready(Part)
	go claims.Run(ctx, workers)
	volumes.Run(ctx, workers)
	return nil
}

func (p *provisioner) reconcileClaim(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	claim, err := p.claims.PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || className(claim) == "" || provisionerOf(claim) != kube.Driver || claim.Spec.VolumeName != "" {
		return err
	}
	class, err := p.classes.Get(className(claim))
	if err != nil || !wantsVolume(claim, class) {
		return err
	}
	return p.provision(ctx, claim, class)
}

func (p *provisioner) reconcileVolume(ctx context.Context, name string) error {
	pv, err := p.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || !isOurs(pv) {
		return err
	}
	pv, err = p.cluster.SetVolumeFinalizer(ctx, pv, kube.ProvisionerFinalizer, wantsFinalizer(pv))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || !mustDelete(pv) {
		return err
	}
	return p.destroyCurrent(ctx, pv)
}

// destroyCurrent asks the API server once more, for the cache may be late.
func (p *provisioner) destroyCurrent(ctx context.Context, cached *corev1.PersistentVolume) error {
	pv, err := p.cluster.Client.CoreV1().PersistentVolumes().Get(ctx, cached.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || pv.UID != cached.UID || !mustDelete(pv) {
		return err
	}
	return p.destroy(ctx, pv)
}

// destroy deletes disk, registration and volume. This is how a volume that was left at Delete loses its data.
func (p *provisioner) destroy(ctx context.Context, pv *corev1.PersistentVolume) error {
	attachments, err := p.attachments.List(labels.Everything())
	if err != nil {
		return err
	}
	if node := attachedTo(pv, attachments); node != "" {
		return fmt.Errorf("persistentvolume %s is still attached to node %s", pv.Name, node)
	}
	if err := p.deleteDisk(ctx, pv); err != nil {
		p.recorder.Event(pv, corev1.EventTypeWarning, "VolumeFailedDelete", err.Error())
		return err
	}
	log.Printf("destroyed the disk of volume %s (%s)", pv.Name, kube.Handle(pv))
	err = p.cluster.Client.CoreV1().PersistentVolumes().Delete(ctx, pv.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return p.letGo(ctx, pv.Name)
}

// letGo must not fail on a conflict: its next try would look for a disk that is gone.
func (p *provisioner) letGo(ctx context.Context, name string) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		pv, err := p.cluster.Client.CoreV1().PersistentVolumes().Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			_, err = p.cluster.SetVolumeFinalizer(ctx, pv, kube.ProvisionerFinalizer, false)
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (p *provisioner) deleteDisk(ctx context.Context, pv *corev1.PersistentVolume) error {
	if pv.Spec.VsphereVolume == nil {
		return p.deleteKnownDisk(ctx, pv.Spec.CSI.VolumeHandle)
	}
	id, err := p.store.ControllerVolumeID(ctx, pv.Spec.VsphereVolume.VolumePath)
	if err != nil {
		return err
	}
	if err := p.deleteKnownDisk(ctx, id); err != nil {
		return err
	}
	return p.store.Delete(ctx, id)
}

// deleteKnownDisk takes a disk that CNS does not know for one that was destroyed by an earlier try.
func (p *provisioner) deleteKnownDisk(ctx context.Context, id string) error {
	known, err := p.vcenter.IsRegistered(ctx, id)
	if err != nil || !known {
		return err
	}
	return p.vcenter.DeleteVolume(ctx, id, true)
}
