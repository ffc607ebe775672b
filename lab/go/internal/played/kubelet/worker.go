package kubelet

import (
	"context"
	"errors"
	"log"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"lab/internal/played/config"
	"lab/internal/played/kube"
)

// worker takes one pod through its life: volumes, containers, end.
type worker struct {
	kubelet *kubelet
	node    *node
	pod     *corev1.Pod
	ip      string
	phase   corev1.PodPhase
	state   state

	// serving ends when the pod is told to stop.
	serving context.Context
	end     context.CancelFunc
	grace   time.Duration
	once    sync.Once
}

func newWorker(ctx context.Context, k *kubelet, n *node, pod *corev1.Pod, ip string) *worker {
	w := &worker{kubelet: k, node: n, pod: pod, ip: ip, phase: pod.Status.Phase}
	if w.phase == "" {
		w.phase = corev1.PodPending
	}
	for _, status := range pod.Status.ContainerStatuses {
		w.state.restarts = max(w.state.restarts, status.RestartCount)
	}
	w.serving, w.end = context.WithCancel(ctx)
	return w
}

// stop tells the pod to end; what its deletion says of the grace period counts.
func (w *worker) stop(pod *corev1.Pod) {
	w.once.Do(func() {
		w.grace = w.kubelet.config.Delays.Of(config.PodStop)
		if seconds := pod.DeletionGracePeriodSeconds; seconds != nil && *seconds > 0 {
			w.grace = min(w.grace, time.Duration(*seconds)*time.Second)
		}
		w.end()
	})
}

// adopt reports the volumes as in use that are known already.
func (w *worker) adopt(ctx context.Context) {
	volumes, err := w.kubelet.resolve(w.pod)
	if err == nil {
		persist(ctx, w.name(), func() error { return w.node.use(ctx, w.pod.UID, volumes) })
	}
}

func (w *worker) run(ctx context.Context) {
	defer w.end()
	w.live(ctx)
	if ctx.Err() == nil {
		w.terminate(ctx)
	}
}

func (w *worker) name() string { return "pod " + w.pod.Namespace + "/" + w.pod.Name }

// live returns when the pod has been told to stop and its writers have.
func (w *worker) live(ctx context.Context) {
	if w.phase == corev1.PodSucceeded || w.phase == corev1.PodFailed {
		<-w.serving.Done()
		return
	}
	if w.phase == corev1.PodPending && w.serving.Err() == nil {
		w.report(ctx, "ContainerCreating", "")
	}
	volumes, err := eventually(w.serving, func() ([]volume, error) { return w.kubelet.resolve(w.pod) })
	if err != nil {
		return
	}
	persist(ctx, w.name(), func() error { return w.node.use(ctx, w.pod.UID, volumes) })
	for w.serving.Err() == nil {
		w.tryContainers(ctx, volumes)
	}
}

// tryContainers runs the containers until they are stopped, or reports why they failed and waits before the next try.
func (w *worker) tryContainers(ctx context.Context, volumes []volume) {
	err := w.containers(ctx, volumes)
	if err == nil || w.serving.Err() != nil {
		return
	}
	log.Printf("%s: %v", w.name(), err)
	w.report(ctx, reasonOf(err), err.Error())
	if w.phase == corev1.PodRunning {
		w.state.restarts++
	}
	kube.Sleep(w.serving, w.kubelet.config.Delays.Of(config.Restart))
}

func reasonOf(err error) string {
	for _, known := range []error{errLocked, errCorrupt, errIO} {
		if errors.Is(err, known) {
			reason, _, _ := strings.Cut(known.Error(), ":")
			return reason
		}
	}
	return "CreateContainerError"
}

func (w *worker) containers(ctx context.Context, volumes []volume) (err error) {
	devices, err := w.devices(volumes)
	if err != nil || !kube.Sleep(w.serving, w.startDelay()) {
		return err
	}
	disks, err := w.open(volumes, devices)
	defer func() {
		for _, d := range disks {
			err = errors.Join(err, d.close())
		}
	}()
	if err == nil {
		err = writeAll(disks)
	}
	if err != nil {
		return err
	}
	w.phase, w.state.started = corev1.PodRunning, time.Now()
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		w.report(ctx, "", "")
		w.kubelet.expand(ctx, w.pod)
	}()
	err = w.write(ctx, disks)
	<-reported
	return err
}

// startDelay is none for a pod that ran before the kubelet did.
func (w *worker) startDelay() time.Duration {
	if w.phase == corev1.PodRunning && w.state.started.IsZero() {
		return 0
	}
	return w.kubelet.config.Delays.Of(config.PodStart)
}

func (w *worker) devices(volumes []volume) ([]string, error) {
	var devices []string
	for _, v := range volumes {
		device, err := eventually(w.serving, func() (string, error) { return w.kubelet.device(w.node, v) })
		if err != nil {
			return nil, err
		}
		devices = append(devices, device)
	}
	return devices, nil
}

// open returns the disks that it opened even when it fails.
func (w *worker) open(volumes []volume, devices []string) ([]*disk, error) {
	var disks []*disk
	for i, v := range volumes {
		writer := writer{w.node.Name, string(w.pod.UID), v.name}
		d, err := openDisk(devices[i], v, writer, evidence(w.kubelet.config.Evidence))
		if err != nil {
			return disks, err
		}
		disks = append(disks, d)
	}
	return disks, nil
}

func writeAll(disks []*disk) error {
	for _, d := range disks {
		if err := d.append(); err != nil {
			return err
		}
	}
	return nil
}

// write goes on for the grace period after the pod was told to stop, as a process does that shuts down.
func (w *worker) write(ctx context.Context, disks []*disk) error {
	interval := time.NewTicker(w.kubelet.config.Delays.Of(config.RecordInterval))
	defer interval.Stop()
	told := w.serving.Done()
	var over <-chan time.Time
	for {
		select {
		case <-told:
			told, over = nil, time.After(w.grace)
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		case <-interval.C:
			if err := writeAll(disks); err != nil {
				return err
			}
		}
	}
}

// terminate unmounts, lets the pod object go, and only then gives up the volumes.
func (w *worker) terminate(ctx context.Context) {
	unmount := w.kubelet.config.Delays.Of(config.Unmount)
	kube.Sleep(ctx, unmount)
	w.phase = corev1.PodSucceeded
	w.report(ctx, "", "")
	persist(ctx, w.name(), func() error { return w.deletePod(ctx) })
	kube.Sleep(ctx, unmount)
	persist(ctx, w.name(), func() error { return w.node.release(ctx, w.pod.UID) })
}

func (w *worker) deletePod(ctx context.Context) error {
	err := w.kubelet.cluster.Client.CoreV1().Pods(w.pod.Namespace).Delete(ctx, w.pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &w.pod.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// report writes the pod's status; an empty reason says that nothing is waited for.
func (w *worker) report(ctx context.Context, reason, message string) {
	w.state.phase, w.state.reason, w.state.message = w.phase, reason, message
	said := w.state
	persist(ctx, w.name(), func() error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error { return w.writeStatus(ctx, said) })
	})
}

func (w *worker) writeStatus(ctx context.Context, said state) error {
	pods := w.kubelet.cluster.Client.CoreV1().Pods(w.pod.Namespace)
	pod, err := pods.Get(ctx, w.pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || pod.UID != w.pod.UID {
		return err
	}
	said.apply(pod, w.node.ip, w.ip, metav1.Now())
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
