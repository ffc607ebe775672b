package syncer

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"lab/internal/played/kube"
)

func csi(phase corev1.PersistentVolumePhase, attributes map[string]string) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{Status: corev1.PersistentVolumeStatus{Phase: phase}}
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{
		Driver: kube.Driver, VolumeHandle: "fcd", VolumeAttributes: attributes,
	}
	return pv
}

func inTree(phase corev1.PersistentVolumePhase, annotations map[string]string) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{Status: corev1.PersistentVolumeStatus{Phase: phase}}
	pv.Annotations = annotations
	pv.Spec.VsphereVolume = &corev1.VsphereVirtualDiskVolumeSource{VolumePath: "[ds] x.vmdk"}
	return pv
}

func deleted(pv *corev1.PersistentVolume) *corev1.PersistentVolume {
	now := metav1.Now()
	pv.DeletionTimestamp = &now
	return pv
}

func TestWhatAnUpdateOfAVolumeAsksFor(t *testing.T) {
	const pending, available, bound, released = corev1.VolumePending, corev1.VolumeAvailable, corev1.VolumeBound, corev1.VolumeReleased
	dynamic := map[string]string{kube.ProvisionerIdentity: "x"}
	byPath := map[string]string{kube.AttachedByPath: "true"}
	migrated := map[string]string{kube.MigratedTo: kube.Driver}
	cases := []struct {
		what    string
		old, pv *corev1.PersistentVolume
		want    work
	}{
		{"static volume gets available (T2)", csi(pending, nil), csi(available, nil), registerStatic},
		{"static volume gets bound at once", csi(pending, nil), csi(bound, nil), registerStatic},
		{"provisioner's volume (T4)", csi(pending, dynamic), csi(bound, dynamic), updateMetadata},
		{"bound later", csi(available, nil), csi(bound, nil), nothing},
		{"still pending", csi(pending, nil), csi(pending, nil), nothing},
		{"on its way out", csi(pending, nil), deleted(csi(available, nil)), nothing},
		{"in-tree volume gets bound (T1)", inTree(pending, nil), inTree(bound, nil), updateMetadata},
		{"in-tree volume gets migrated", inTree(bound, nil), inTree(bound, migrated), updateMetadata},
		{"other annotation", inTree(bound, nil), inTree(bound, map[string]string{"a": "b"}), nothing},
		{"by path", inTree(pending, byPath), inTree(bound, byPath), nothing},
		{"released", csi(bound, nil), csi(released, nil), nothing},
	}
	for _, c := range cases {
		if got := wanted(c.old, c.pv); got != c.want {
			t.Errorf("%s: got %d, want %d", c.what, got, c.want)
		}
	}
}

func TestOnlyTheProvisionerDeletesReleasedVolumesWithPolicyDelete(t *testing.T) {
	pv := csi(corev1.VolumeReleased, nil)
	pv.Spec.ClaimRef = &corev1.ObjectReference{}
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	if !isControllersToDelete(pv) {
		t.Error("left to the syncer")
	}
	pv.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	if isControllersToDelete(pv) {
		t.Error("left to the provisioner")
	}
}

func TestAFullSyncActsOnWhatTwoCyclesMiss(t *testing.T) {
	again, remembered := twice(map[string]bool{}, []string{"a", "b"})
	if again != nil || !remembered["a"] || !remembered["b"] {
		t.Errorf("first: %v, %v", again, remembered)
	}
	again, remembered = twice(remembered, []string{"b", "c"})
	if !slices.Equal(again, []string{"b"}) || remembered["a"] || !remembered["c"] {
		t.Errorf("second: %v, %v", again, remembered)
	}
}

func TestATriggerMustBeOneMoreThanTheLast(t *testing.T) {
	cases := []struct {
		asked, last int64
		want        request
	}{{0, 0, stale}, {1, 0, valid}, {1, 1, stale}, {3, 1, invalid}, {1, 4, invalid}, {5, 4, valid}}
	for _, c := range cases {
		if got := judge(c.asked, c.last); got != c.want {
			t.Errorf("%d after %d: got %d, want %d", c.asked, c.last, got, c.want)
		}
	}
}
