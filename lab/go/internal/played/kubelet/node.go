package kubelet

import (
	"context"
	"fmt"
	"log"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"lab/internal/played/config"
	"lab/internal/played/kube"
)

const (
	leaseSeconds = 40
	renewEvery   = 10 * time.Second
)

// beforeRestart owns the volumes that the node reported in use before this process started.
const beforeRestart types.UID = "before the restart"

// node is one worker node: its heartbeat, and the volumes that its pods use.
type node struct {
	config.Node
	cluster *kube.Cluster
	ip      string

	started metav1.Time

	mutex    sync.Mutex
	owners   map[corev1.UniqueVolumeName]map[types.UID]bool
	reported []corev1.UniqueVolumeName
}

func newNode(cluster *kube.Cluster, n config.Node, number int) *node {
	return &node{
		Node:    n,
		cluster: cluster,
		ip:      fmt.Sprintf("192.0.2.%d", number+1),
		started: metav1.Now(),
		owners:  map[corev1.UniqueVolumeName]map[types.UID]bool{},
	}
}

// register makes the node's objects and takes over what it reported before.
func (n *node) register(ctx context.Context) error {
	registered, err := ensureNode(ctx, n.cluster.Client, n.manifest())
	if err != nil {
		return err
	}
	n.reported = registered.Status.VolumesInUse
	for _, name := range n.reported {
		n.owners[name] = map[types.UID]bool{beforeRestart: true}
	}
	if err := ensureCSINode(ctx, n.cluster.Client, n.csiNode(registered)); err != nil {
		return err
	}
	if err := n.renew(ctx); err != nil {
		return err
	}
	return n.patchStatus(ctx, n.status(metav1.Now()))
}

// heartbeat keeps the node-lifecycle controller content until ctx ends.
func (n *node) heartbeat(ctx context.Context) {
	for kube.Sleep(ctx, renewEvery) {
		if err := n.renew(ctx); err != nil {
			log.Printf("node %s: lease: %v", n.Name, err)
		}
		if err := n.patchStatus(ctx, n.status(metav1.Now())); err != nil {
			log.Printf("node %s: status: %v", n.Name, err)
		}
	}
}

func (n *node) renew(ctx context.Context) error {
	leases := n.cluster.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NowMicro()
	lease, err := leases.Get(ctx, n.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, n.lease(now), metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

func (n *node) lease(now metav1.MicroTime) *coordinationv1.Lease {
	seconds := int32(leaseSeconds)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Namespace: corev1.NamespaceNodeLease},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &n.Name, LeaseDurationSeconds: &seconds, RenewTime: &now,
		},
	}
}

// use reports the volumes as in use by the pod, before anything else happens with them.
func (n *node) use(ctx context.Context, pod types.UID, volumes []volume) error {
	return n.changeUse(ctx, func() {
		for _, v := range volumes {
			if n.owners[v.unique] == nil {
				n.owners[v.unique] = map[types.UID]bool{}
			}
			n.owners[v.unique][pod] = true
		}
	})
}

// release takes back what the pod used; a volume that nobody else uses may then be detached.
func (n *node) release(ctx context.Context, pod types.UID) error {
	return n.changeUse(ctx, func() {
		for name, owners := range n.owners {
			delete(owners, pod)
			if len(owners) == 0 {
				delete(n.owners, name)
			}
		}
	})
}

func (n *node) changeUse(ctx context.Context, change func()) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	change()
	names := n.inUse()
	if slices.Equal(n.reported, names) {
		return nil
	}
	err := n.patchStatus(ctx, map[string]any{"volumesInUse": names})
	if err == nil {
		n.reported = names
	}
	return err
}

// inUse needs the mutex.
func (n *node) inUse() []corev1.UniqueVolumeName {
	names := make([]corev1.UniqueVolumeName, 0, len(n.owners))
	for name := range n.owners {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (n *node) patchStatus(ctx context.Context, status any) error {
	patch := kube.Marshal(map[string]any{"status": status})
	_, err := n.cluster.Client.CoreV1().Nodes().Patch(
		ctx, n.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
