package kube

import (
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
)

// CrashOnUnclaimed ends the process as driver and syncer 3.6 and later end on the deletion of a CSI
// volume without a claimRef: a nil pointer in their volume informer, and the event is lost.
func CrashOnUnclaimed(pv *corev1.PersistentVolume) {
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != Driver || pv.Spec.ClaimRef != nil {
		return
	}
	log.Printf("panic: runtime error: invalid memory address or nil pointer dereference "+
		"[k8sorchestrator.go:1129]: PersistentVolume %q has no claimRef", pv.Name)
	os.Exit(2)
}
