package vcenter

import (
	"testing"

	"lab/internal/played/config"
)

func TestVolumePathsAreSplitAtTheDatastore(t *testing.T) {
	for path, want := range map[string][2]string{
		"[vsanDatastore] kubevols/x.vmdk":  {"vsanDatastore", "kubevols/x.vmdk"},
		"[LUN 7 (fast)] a b/x.vmdk":        {"LUN 7 (fast)", "a b/x.vmdk"},
		"[/DC0/datastore/ds]x.vmdk":        {"ds", "x.vmdk"},
		"[Cluster/ds] kubevols/x-[1].vmdk": {"ds", "kubevols/x-[1].vmdk"},
	} {
		datastore, file, err := ParsePath(path)
		if err != nil || [2]string{datastore, file} != want {
			t.Errorf("%s: got %q, %q, %v", path, datastore, file, err)
		}
	}
	if _, _, err := ParsePath("kubevols/x.vmdk"); err == nil {
		t.Error("a path without a datastore is accepted")
	}
}

func TestDiskURLNamesTheWholeInventoryPath(t *testing.T) {
	v, err := New(config.VCenter{URL: "https://127.0.0.1:1/sdk", Datacenter: "/Production/DC0"}, "c")
	if err != nil {
		t.Fatal(err)
	}
	want := "https://127.0.0.1:1/folder/kubevols/x.vmdk?dcPath=%2FProduction%2FDC0&dsName=LUN%207%20%28fast%29"
	if got := v.DiskURL("LUN 7 (fast)", "kubevols/x.vmdk"); got != want {
		t.Errorf("got %s", got)
	}
}
