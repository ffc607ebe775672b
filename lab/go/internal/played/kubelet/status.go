package kubelet

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// state is what the kubelet has to say about a pod.
type state struct {
	phase    corev1.PodPhase
	reason   string // why the containers wait; empty when they run or have ended
	message  string
	restarts int32
	started  time.Time // of the containers
}

func (s state) ready() bool { return s.phase == corev1.PodRunning && s.reason == "" }

// apply writes the state over the status; conditions of others stay.
func (s state) apply(pod *corev1.Pod, hostIP, podIP string, now metav1.Time) {
	status := &pod.Status
	status.Phase = s.phase
	status.ObservedGeneration = pod.Generation
	status.HostIP, status.HostIPs = hostIP, []corev1.HostIP{{IP: hostIP}}
	status.PodIP, status.PodIPs = podIP, []corev1.PodIP{{IP: podIP}}
	if status.StartTime == nil {
		status.StartTime = &now
	}
	set := func(kind corev1.PodConditionType, truth bool) { setCondition(pod, kind, truth, s, now) }
	set(corev1.PodReadyToStartContainers, s.phase != corev1.PodPending && !s.ended())
	set(corev1.PodInitialized, s.phase != corev1.PodPending)
	set(corev1.ContainersReady, s.ready())
	set(corev1.PodReady, s.ready())
	status.InitContainerStatuses = containerStatuses(pod.Spec.InitContainers, s.initContainer, now)
	status.ContainerStatuses = containerStatuses(pod.Spec.Containers, s.container, now)
}

func (s state) ended() bool { return s.phase == corev1.PodSucceeded || s.phase == corev1.PodFailed }

func setCondition(pod *corev1.Pod, kind corev1.PodConditionType, truth bool, s state, now metav1.Time) {
	condition := corev1.PodCondition{
		Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: now, ObservedGeneration: pod.Generation,
	}
	switch {
	case truth:
		condition.Status = corev1.ConditionTrue
	case s.ended():
		condition.Reason = "PodCompleted"
	default:
		condition.Reason, condition.Message = "ContainersNotReady", s.message
	}
	conditions := pod.Status.Conditions
	at := slices.IndexFunc(conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	if at < 0 {
		pod.Status.Conditions = append(conditions, condition)
		return
	}
	if conditions[at].Status == condition.Status {
		condition.LastTransitionTime = conditions[at].LastTransitionTime
	}
	conditions[at] = condition
}

type describe func(status *corev1.ContainerStatus, now metav1.Time)

func containerStatuses(containers []corev1.Container, as describe, now metav1.Time) []corev1.ContainerStatus {
	statuses := make([]corev1.ContainerStatus, 0, len(containers))
	for _, container := range containers {
		status := corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: "lab://" + container.Image,
			ContainerID: "lab://" + container.Name, Started: new(bool),
		}
		as(&status, now)
		statuses = append(statuses, status)
	}
	return statuses
}

func (s state) container(status *corev1.ContainerStatus, now metav1.Time) {
	status.RestartCount = s.restarts
	switch {
	case s.ended():
		status.State.Terminated = s.completed(now)
	case s.ready():
		*status.Started, status.Ready = true, true
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(s.started)}
	default:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: s.reason, Message: s.message}
	}
}

func (s state) initContainer(status *corev1.ContainerStatus, now metav1.Time) {
	if s.phase == corev1.PodPending {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
		return
	}
	status.Ready = true
	status.State.Terminated = s.completed(now)
}

func (s state) completed(now metav1.Time) *corev1.ContainerStateTerminated {
	started := metav1.NewTime(s.started)
	if s.started.IsZero() {
		started = now
	}
	return &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: started, FinishedAt: now}
}
