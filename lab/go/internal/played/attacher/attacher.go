// Package attacher plays external-attacher and the driver's ControllerPublishVolume and
// ControllerUnpublishVolume behind it.
package attacher

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"

	"lab/internal/played/config"
	"lab/internal/played/kube"
	"lab/internal/played/migration"
	"lab/internal/played/vcenter"
)

// Part is the name of the subcommand and of its kubeconfig.
const Part = "external-attacher"

const workers = 10

type attacher struct {
	cluster     *kube.Cluster
	driver      driver
	attachments storagelisters.VolumeAttachmentLister
	volumes     corelisters.PersistentVolumeLister
	nodes       storagelisters.CSINodeLister
	loop        *kube.Loop
	finalizers  *kube.Loop
}

// Run works until ctx ends.
func Run(ctx context.Context, c *config.Config, cluster *kube.Cluster, vc *vcenter.VCenter) error {
	a := &attacher{
		cluster:     cluster,
		driver:      driver{vcenter: vc, store: migration.NewStore(cluster.Dynamic)},
		attachments: cluster.Informers.Storage().V1().VolumeAttachments().Lister(),
		volumes:     cluster.Informers.Core().V1().PersistentVolumes().Lister(),
		nodes:       cluster.Informers.Storage().V1().CSINodes().Lister(),
	}
	retry, retryMax := c.Delays.Of(config.Retry), c.Delays.Of(config.RetryMax)
	a.loop = kube.NewLoop("attachment", retry, retryMax, a.reconcile)
	a.finalizers = kube.NewLoop("volume finalizer", retry, retryMax, a.reconcileFinalizer)
	if err := a.watch(); err != nil {
		return err
	}
	if err := cluster.Start(ctx); err != nil {
		return err
	}
	kube.Ready(Part)
	go a.finalizers.Run(ctx, workers)
	go a.republish(ctx, c.Delays.Of(config.AttacherReconcile))
	a.loop.Run(ctx, workers)
	return nil
}

func (a *attacher) watch() error {
	_, err := a.cluster.Informers.Storage().V1().VolumeAttachments().Informer().AddEventHandler(
		cache.ResourceEventHandlerFuncs{
			AddFunc: a.loop.AddObject,
			UpdateFunc: func(old, object any) {
				if asksForWork(old.(*storagev1.VolumeAttachment), object.(*storagev1.VolumeAttachment)) {
					a.loop.AddObject(object)
				}
			},
			DeleteFunc: a.attachmentDeleted,
		})
	if err != nil {
		return err
	}
	volumes := a.cluster.Informers.Core().V1().PersistentVolumes().Informer()
	if err := a.finalizers.Watch(volumes); err != nil {
		return err
	}
	_, err = volumes.AddEventHandler(cache.ResourceEventHandlerFuncs{DeleteFunc: func(object any) {
		// The attacher loses its connection when the controller beside it crashes, and exits too.
		if pv, seen := object.(*corev1.PersistentVolume); seen {
			kube.CrashOnUnclaimed(pv)
		}
	}})
	return err
}

func (a *attacher) attachmentDeleted(object any) {
	if va, seen := object.(*storagev1.VolumeAttachment); seen && va.Spec.Source.PersistentVolumeName != nil {
		a.finalizers.Add(*va.Spec.Source.PersistentVolumeName)
	}
}

// asksForWork keeps the attacher's own error reports from ending its back-off.
func asksForWork(old, va *storagev1.VolumeAttachment) bool {
	return !equality.Semantic.DeepEqual(withoutReports(old), withoutReports(va))
}

func withoutReports(va *storagev1.VolumeAttachment) *storagev1.VolumeAttachment {
	bare := va.DeepCopy()
	bare.Status.AttachError, bare.Status.DetachError = nil, nil
	bare.ResourceVersion, bare.ManagedFields = "", nil
	return bare
}

func (a *attacher) reconcile(ctx context.Context, name string) error {
	va, err := a.attachments.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || va.Spec.Attacher != kube.Driver {
		return err
	}
	switch {
	case va.DeletionTimestamp != nil:
		return a.detach(ctx, va)
	case va.Status.Attached:
		return nil
	}
	return a.attach(ctx, va)
}

func (a *attacher) attach(ctx context.Context, va *storagev1.VolumeAttachment) error {
	metadata, err := a.publish(ctx, va)
	if err != nil {
		report := map[string]any{"attachError": volumeError(err)}
		return joinReport(err, a.patchStatus(ctx, va.Name, report))
	}
	return a.patchStatus(ctx, va.Name, map[string]any{
		"attached": true, "attachmentMetadata": metadata, "attachError": nil,
	})
}

// publish marks volume and attachment as ours before the disk is touched, so that neither can go while it hangs.
func (a *attacher) publish(ctx context.Context, va *storagev1.VolumeAttachment) (map[string]string, error) {
	pv, err := a.volumeOf(va)
	if err != nil {
		return nil, err
	}
	if pv.DeletionTimestamp != nil {
		return nil, fmt.Errorf("PersistentVolume %q is marked for deletion", pv.Name)
	}
	node, err := a.nodeID(va)
	if err != nil {
		return nil, err
	}
	if pv, err = a.cluster.SetVolumeFinalizer(ctx, pv, kube.AttacherFinalizer, true); err != nil {
		return nil, err
	}
	if err := a.claim(ctx, va, node); err != nil {
		return nil, err
	}
	return a.driver.publish(ctx, pv, node)
}

func (a *attacher) detach(ctx context.Context, va *storagev1.VolumeAttachment) error {
	if !kube.HasFinalizer(va, kube.AttacherFinalizer) {
		return nil
	}
	if err := a.unpublish(ctx, va); err != nil {
		report := map[string]any{"detachError": volumeError(err)}
		return joinReport(err, a.patchStatus(ctx, va.Name, report))
	}
	return a.release(ctx, va)
}

func (a *attacher) unpublish(ctx context.Context, va *storagev1.VolumeAttachment) error {
	pv, err := a.volumeOf(va)
	if err != nil {
		return err
	}
	node, err := a.nodeID(va)
	if err != nil {
		return err
	}
	return a.driver.unpublish(ctx, pv, node)
}

// volumeOf finds the volume by its name, as the real attacher does: a volume that is gone leaves the
// attachment stuck, and another of the same name is taken for it.
func (a *attacher) volumeOf(va *storagev1.VolumeAttachment) (*corev1.PersistentVolume, error) {
	if va.Spec.Source.PersistentVolumeName == nil {
		return nil, fmt.Errorf("VolumeAttachment %s names no PersistentVolume", va.Name)
	}
	return a.volumes.Get(*va.Spec.Source.PersistentVolumeName)
}

func volumeError(err error) storagev1.VolumeError {
	return storagev1.VolumeError{Time: now(), Message: err.Error()}
}

// republish compares CNS with the attachments at every interval, as the attacher does with what the
// driver lists. A leftover migration object makes the driver list a converted volume by its path.
func (a *attacher) republish(ctx context.Context, interval time.Duration) {
	for kube.Sleep(ctx, interval) {
		a.republishOnce(ctx)
	}
}
