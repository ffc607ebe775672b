package kubelet

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func applied(pod *corev1.Pod, s state) corev1.PodStatus {
	s.apply(pod, "192.0.2.1", "10.0.0.1", metav1.NewTime(time.Unix(1000, 0)))
	return pod.Status
}

func conditionOf(status corev1.PodStatus, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, condition := range status.Conditions {
		if condition.Type == kind {
			return condition.Status
		}
	}
	return ""
}

func newPod() *corev1.Pod {
	return &corev1.Pod{
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "first"}},
			Containers:     []corev1.Container{{Name: "writer"}},
		},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
		}},
	}
}

func TestARunningPodIsReadyAndKeepsTheSchedulersCondition(t *testing.T) {
	status := applied(newPod(), state{phase: corev1.PodRunning, started: time.Unix(1000, 0)})
	for _, kind := range []corev1.PodConditionType{
		corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady,
	} {
		if conditionOf(status, kind) != corev1.ConditionTrue {
			t.Errorf("%s is not true", kind)
		}
	}
	if !status.ContainerStatuses[0].Ready || status.InitContainerStatuses[0].State.Terminated == nil {
		t.Errorf("containers: %+v", status)
	}
}

func TestAPodWhoseVolumeFailedRunsButIsNotReady(t *testing.T) {
	status := applied(newPod(), state{phase: corev1.PodRunning, reason: "VolumeIOError", message: "gone"})
	waiting := status.ContainerStatuses[0].State.Waiting
	if conditionOf(status, corev1.PodReady) != corev1.ConditionFalse || waiting == nil || waiting.Reason != "VolumeIOError" {
		t.Errorf("got %+v", status)
	}
}

func TestAnEndedPodIsNotReady(t *testing.T) {
	status := applied(newPod(), state{phase: corev1.PodSucceeded})
	if conditionOf(status, corev1.PodReady) != corev1.ConditionFalse || status.ContainerStatuses[0].State.Terminated == nil {
		t.Errorf("got %+v", status)
	}
}
