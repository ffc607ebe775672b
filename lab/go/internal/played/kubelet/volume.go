package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"lab/internal/played/kube"
)

// pollEvery is how often the informers' caches are asked whether what is waited for is there.
const pollEvery = 20 * time.Millisecond

// errNotYet is what a look finds while it has to be repeated.
var errNotYet = errors.New("not yet")

// volume is one claim of a pod with the disk behind it.
type volume struct {
	namespace, claim, name, handle string
	unique                         corev1.UniqueVolumeName
}

// claims names the pod's claims, those of generic ephemeral volumes among them.
func claims(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			names = append(names, pod.Name+"-"+v.Name)
		}
	}
	return names
}

// resolve finds the volumes behind the pod's claims; errNotYet while a claim is not bound.
func (k *kubelet) resolve(pod *corev1.Pod) ([]volume, error) {
	var volumes []volume
	for _, name := range claims(pod) {
		v, err := k.resolveClaim(pod.Namespace, name)
		if err != nil {
			return nil, err
		}
		volumes = append(volumes, v)
	}
	return volumes, nil
}

func (k *kubelet) resolveClaim(namespace, name string) (volume, error) {
	claim, err := k.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return volume{}, fmt.Errorf("%w: %w", errNotYet, err)
	}
	pv, err := k.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return volume{}, fmt.Errorf("%w: %w", errNotYet, err)
	}
	bound := claim.Status.Phase == corev1.ClaimBound && pv.Spec.ClaimRef != nil && pv.Spec.ClaimRef.UID == claim.UID
	handle := kube.Handle(pv)
	if !bound || handle == "" {
		return volume{}, fmt.Errorf("%w: claim %s is not bound to a volume of %s", errNotYet, name, kube.Driver)
	}
	return volume{namespace, name, pv.Name, handle, kube.UniqueVolumeName(handle)}, nil
}

// device returns the path of the volume's device on the node; errNotYet until the node's status and the
// VolumeAttachment call it attached and the device is there.
func (k *kubelet) device(n *node, v volume) (string, error) {
	status, err := k.nodes.Get(n.Name)
	if err != nil {
		return "", err
	}
	listed := slices.ContainsFunc(status.Status.VolumesAttached, func(a corev1.AttachedVolume) bool {
		return a.Name == v.unique
	})
	if !listed {
		return "", fmt.Errorf("%w: %s is not attached", errNotYet, v.name)
	}
	va, err := k.attachments.Get(kube.AttachmentName(v.handle, n.Name))
	if err != nil || !va.Status.Attached {
		return "", fmt.Errorf("%w: %s is not attached (%w)", errNotYet, v.name, err)
	}
	device := filepath.Join(k.config.State, "devices", n.UUID, va.Status.AttachmentMetadata["diskUUID"])
	if _, err := os.Lstat(device); err != nil {
		return "", fmt.Errorf("%w: %w", errNotYet, err)
	}
	return device, nil
}

// eventually repeats the look until it finds what it looks for, fails otherwise, or ctx ends.
func eventually[T any](ctx context.Context, look func() (T, error)) (T, error) {
	var found T
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(context.Context) (bool, error) {
		var err error
		found, err = look()
		if errors.Is(err, errNotYet) {
			return false, nil
		}
		return err == nil, err
	})
	return found, err
}
