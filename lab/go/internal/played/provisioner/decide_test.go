package provisioner

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"lab/internal/played/kube"
)

func claimWith(annotations map[string]string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}}
}

func TestWhichClaimsAreProvisioned(t *testing.T) {
	waits := storagev1.VolumeBindingWaitForFirstConsumer
	immediate, late := &storagev1.StorageClass{}, &storagev1.StorageClass{VolumeBindingMode: &waits}
	ours := map[string]string{kube.StorageProvisioner: kube.Driver}
	placed := map[string]string{kube.StorageProvisioner: kube.Driver, kube.SelectedNode: "node-1"}
	named := claimWith(ours)
	named.Spec.VolumeName = "pv"
	cases := []struct {
		what  string
		claim *corev1.PersistentVolumeClaim
		class *storagev1.StorageClass
		want  bool
	}{
		{"ours", claimWith(ours), immediate, true},
		{"not annotated", claimWith(nil), immediate, false},
		{"with a volume name", named, immediate, false},
		{"without its consumer", claimWith(ours), late, false},
		{"with its consumer placed", claimWith(placed), late, true},
	}
	for _, c := range cases {
		if got := wantsVolume(c.claim, c.class); got != c.want {
			t.Errorf("%s: got %v", c.what, got)
		}
	}
}

func volumeWith(
	policy corev1.PersistentVolumeReclaimPolicy, phase corev1.PersistentVolumePhase, annotations map[string]string,
) *corev1.PersistentVolume {
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}}
	pv.Spec.PersistentVolumeReclaimPolicy, pv.Status.Phase = policy, phase
	pv.Spec.VsphereVolume = &corev1.VsphereVirtualDiskVolumeSource{VolumePath: "[ds] x.vmdk"}
	return pv
}

var migrated = map[string]string{kube.ProvisionedBy: kube.InTreePlugin, kube.MigratedTo: kube.Driver}

func TestTheFinalizerComesWithDeleteAndGoesWithRetain(t *testing.T) {
	bound := volumeWith(corev1.PersistentVolumeReclaimDelete, corev1.VolumeBound, migrated)
	if !isOurs(bound) || !wantsFinalizer(bound) {
		t.Error("Delete and Bound: no finalizer")
	}
	retained := volumeWith(corev1.PersistentVolumeReclaimRetain, corev1.VolumeBound, migrated)
	retained.Finalizers = []string{kube.ProvisionerFinalizer}
	if wantsFinalizer(retained) {
		t.Error("Retain: finalizer stays")
	}
	available := volumeWith(corev1.PersistentVolumeReclaimDelete, corev1.VolumeAvailable, migrated)
	if wantsFinalizer(available) {
		t.Error("Available: finalizer comes")
	}
}

func TestOnlyReleasedVolumesOfOursWithPolicyDeleteAreDestroyed(t *testing.T) {
	const destroy, retain = corev1.PersistentVolumeReclaimDelete, corev1.PersistentVolumeReclaimRetain
	cases := []struct {
		what string
		pv   *corev1.PersistentVolume
		want bool
	}{
		{"released", volumeWith(destroy, corev1.VolumeReleased, migrated), true},
		{"bound", volumeWith(destroy, corev1.VolumeBound, migrated), false},
		{"retained", volumeWith(retain, corev1.VolumeReleased, migrated), false},
		{"in-tree, not migrated (T9)", volumeWith(destroy, corev1.VolumeReleased, nil), false},
	}
	for _, c := range cases {
		if got := mustDelete(c.pv); got != c.want {
			t.Errorf("%s: got %v", c.what, got)
		}
	}
}

func TestRequestsAreRoundedUpToMebibytes(t *testing.T) {
	claim := claimWith(nil)
	for request, want := range map[string]int64{"64Mi": 64, "1": 1, "1G": 954} {
		claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(request)}
		if got := megabytes(claim); got != want {
			t.Errorf("%s: got %d, want %d", request, got, want)
		}
	}
}
