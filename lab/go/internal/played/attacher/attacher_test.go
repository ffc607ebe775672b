package attacher

import (
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestErrorReportsDoNotAskForWork(t *testing.T) {
	old := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1"}}
	reported := old.DeepCopy()
	reported.ResourceVersion = "2"
	reported.Status.AttachError = &storagev1.VolumeError{Message: "refused"}
	if asksForWork(old, reported) {
		t.Error("an error report ends the back-off")
	}
	deleted, now := reported.DeepCopy(), metav1.Now()
	deleted.DeletionTimestamp = &now
	if !asksForWork(reported, deleted) {
		t.Error("a deletion is not looked at")
	}
}
