// Package kubelet plays the kubelets of all of a cluster's nodes. Its pods run nothing but a writer of
// records on each of their volumes.
package kubelet

import (
	"context"
	"fmt"
	"log"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"

	"lab/internal/played/config"
	"lab/internal/played/kube"
)

// Part is the name of the subcommand and of its kubeconfig.
const Part = "kubelet"

type kubelet struct {
	config      *config.Config
	cluster     *kube.Cluster
	pods        corelisters.PodLister
	claims      corelisters.PersistentVolumeClaimLister
	volumes     corelisters.PersistentVolumeLister
	nodes       corelisters.NodeLister
	attachments storagelisters.VolumeAttachmentLister
	own         map[string]*node

	mutex   sync.Mutex
	workers map[types.UID]*worker
	podIPs  int
	// adopting counts the pods of before the start whose volumes are not known to be in use yet.
	adopting sync.WaitGroup
}

// Run registers the nodes and runs the pods bound to them until ctx ends; the pods outlive it.
func Run(ctx context.Context, c *config.Config, cluster *kube.Cluster) error {
	k := newKubelet(c, cluster)
	if err := ensureCSIDriver(ctx, cluster.Client); err != nil {
		return err
	}
	for _, n := range k.own {
		if err := n.register(ctx); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
		go n.heartbeat(ctx)
	}
	if err := k.watch(ctx); err != nil {
		return err
	}
	kube.Ready(Part)
	k.forgetRestart(ctx)
	<-ctx.Done()
	return nil
}

func newKubelet(c *config.Config, cluster *kube.Cluster) *kubelet {
	core := cluster.Informers.Core().V1()
	k := &kubelet{
		config:      c,
		cluster:     cluster,
		pods:        core.Pods().Lister(),
		claims:      core.PersistentVolumeClaims().Lister(),
		volumes:     core.PersistentVolumes().Lister(),
		nodes:       core.Nodes().Lister(),
		attachments: cluster.Informers.Storage().V1().VolumeAttachments().Lister(),
		own:         map[string]*node{},
		workers:     map[types.UID]*worker{},
	}
	for number, n := range c.Nodes {
		k.own[n.Name] = newNode(cluster, n, number)
	}
	return k
}

// watch returns when every pod of before the start has its worker.
func (k *kubelet) watch(ctx context.Context) error {
	core := k.cluster.Informers.Core().V1()
	registered, err := core.Pods().Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, initial bool) { k.podSeen(ctx, object.(*corev1.Pod), initial) },
		UpdateFunc: func(_, object any) { k.podSeen(ctx, object.(*corev1.Pod), false) },
		DeleteFunc: k.podGone,
	})
	if err != nil {
		return err
	}
	_, err = core.PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, object any) { k.claimSeen(ctx, object.(*corev1.PersistentVolumeClaim)) },
	})
	if err != nil {
		return err
	}
	if err := k.cluster.Start(ctx); err != nil {
		return err
	}
	if !cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
		return ctx.Err()
	}
	return nil
}

func (k *kubelet) podSeen(ctx context.Context, pod *corev1.Pod, initial bool) {
	n, ours := k.own[pod.Spec.NodeName]
	if !ours {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	w := k.workers[pod.UID]
	if w == nil {
		w = k.start(ctx, n, pod, initial)
	}
	if pod.DeletionTimestamp != nil {
		w.stop(pod)
	}
}

// start needs the mutex. The volumes of a pod of before the start must count as in use before anything
// else is done, or the attach-detach controller would take them away.
func (k *kubelet) start(ctx context.Context, n *node, pod *corev1.Pod, initial bool) *worker {
	k.podIPs++
	ip := fmt.Sprintf("10.200.%d.%d", k.podIPs/250, k.podIPs%250+1)
	if pod.Status.PodIP != "" {
		ip = pod.Status.PodIP
	}
	w := newWorker(ctx, k, n, pod, ip)
	k.workers[pod.UID] = w
	if initial {
		k.adopting.Add(1)
	}
	go func() {
		w.adopt(ctx)
		if initial {
			k.adopting.Done()
		}
		w.run(ctx)
		k.mutex.Lock()
		defer k.mutex.Unlock()
		delete(k.workers, pod.UID)
	}()
	return w
}

// podGone stops a pod that was deleted by force; its containers do not know and end in their own time.
func (k *kubelet) podGone(object any) {
	if tombstone, missed := object.(cache.DeletedFinalStateUnknown); missed {
		object = tombstone.Obj
	}
	pod := object.(*corev1.Pod)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if w := k.workers[pod.UID]; w != nil {
		w.stop(pod)
	}
}

// forgetRestart gives up the volumes that no pod of before the start uses any more.
func (k *kubelet) forgetRestart(ctx context.Context) {
	k.adopting.Wait()
	for _, n := range k.own {
		persist(ctx, "node "+n.Name, func() error { return n.release(ctx, beforeRestart) })
	}
}

// persist repeats what the API server did not take, until it does or ctx ends.
func persist(ctx context.Context, what string, try func() error) {
	for {
		err := try()
		if err == nil {
			return
		}
		log.Printf("%s: %v", what, err)
		if !kube.Sleep(ctx, pollEvery*10) {
			return
		}
	}
}
