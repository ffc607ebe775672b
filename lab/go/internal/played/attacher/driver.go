package attacher

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"lab/internal/played/kube"
	"lab/internal/played/migration"
	"lab/internal/played/vcenter"
)

// driver is the CSI driver's controller as far as the attacher calls it.
type driver struct {
	vcenter *vcenter.VCenter
	store   *migration.Store
}

// volumeID resolves the handle: an FCD id is itself, a path is looked up but never registered here.
func (d driver) volumeID(ctx context.Context, pv *corev1.PersistentVolume) (string, error) {
	if pv.Spec.VsphereVolume != nil {
		return d.store.ControllerVolumeID(ctx, pv.Spec.VsphereVolume.VolumePath)
	}
	if handle := kube.Handle(pv); handle != "" {
		return handle, nil
	}
	return "", fmt.Errorf("PersistentVolume %q is none of %s", pv.Name, kube.Driver)
}

func (d driver) publish(ctx context.Context, pv *corev1.PersistentVolume, vm string) (map[string]string, error) {
	uuid, err := d.attach(ctx, pv, vm)
	if err != nil {
		return nil, err
	}
	return map[string]string{"type": "vSphere CNS Block Volume", "diskUUID": uuid}, nil
}

func (d driver) attach(ctx context.Context, pv *corev1.PersistentVolume, vm string) (string, error) {
	if kube.IsAttachedByPath(pv) {
		return d.vcenter.AttachPath(ctx, vm, pv.Spec.VsphereVolume.VolumePath)
	}
	id, err := d.volumeID(ctx, pv)
	if err != nil {
		return "", err
	}
	uuid, err := d.vcenter.AttachVolume(ctx, vm, id)
	if err != nil {
		return "", fmt.Errorf("rpc error: code = Internal desc = failed to attach disk: %q with node: %q err %w", id, vm, err)
	}
	return uuid, nil
}

func (d driver) unpublish(ctx context.Context, pv *corev1.PersistentVolume, vm string) error {
	if kube.IsAttachedByPath(pv) {
		return d.vcenter.DetachPath(ctx, vm, pv.Spec.VsphereVolume.VolumePath)
	}
	id, err := d.volumeID(ctx, pv)
	if err != nil {
		return err
	}
	if err := d.mustBeRegistered(ctx, pv, id); err != nil {
		return err
	}
	if err := d.vcenter.DetachVolume(ctx, vm, id); err != nil {
		return fmt.Errorf("rpc error: code = Internal desc = failed to detach disk: %q from node: %q err %w", id, vm, err)
	}
	return nil
}

// mustBeRegistered asks CNS for the type of a volume that is named by its id; the driver cannot detach
// one that CNS does not know.
func (d driver) mustBeRegistered(ctx context.Context, pv *corev1.PersistentVolume, id string) error {
	if pv.Spec.VsphereVolume != nil {
		return nil
	}
	known, err := d.vcenter.IsRegistered(ctx, id)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("rpc error: code = Internal desc = volumeID %q not found in QueryVolume", id)
	}
	return nil
}
