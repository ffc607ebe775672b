package vcenter

import (
	"os"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

func (l *lab) search(folder string, details *types.VmDiskFileQueryFlags) ([]types.BaseFileInfo, error) {
	l.t.Helper()
	browser, err := object.NewDatastore(l.client.Client, l.fast).Browser(l.ctx)
	must(l.t, err)
	task, err := browser.SearchDatastore(l.ctx, "["+fastLUN+"] "+folder, &types.HostDatastoreBrowserSearchSpec{
		Query:        []types.BaseFileQuery{&types.VmDiskFileQuery{Details: details}},
		MatchPattern: []string{"*.vmdk"},
	})
	must(l.t, err)
	info, err := task.WaitForResult(l.ctx)
	if err != nil {
		return nil, err
	}
	return info.Result.(types.HostDatastoreBrowserSearchResults).File, nil
}

func TestASearchTellsTheProvisionedSizeOfEachDiskIfAsked(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	for asked, want := range map[bool]int64{true: 2 * 1024 * 1024, false: 0} {
		found, err := l.search("kubevols", &types.VmDiskFileQueryFlags{CapacityKb: asked})
		must(t, err)
		if len(found) != 1 {
			t.Fatalf("%d files", len(found))
		}
		disk := found[0].(*types.VmDiskFileInfo)
		if disk.Path != "pv 1.vmdk" || disk.CapacityKb != want {
			t.Errorf("%s of %d KiB, not %d", disk.Path, disk.CapacityKb, want)
		}
	}
}

func TestASearchTellsNoSizeOfADiskWhoseDescriptorIsBroken(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	must(t, os.WriteFile(l.file("kubevols/pv 1.vmdk"), []byte("CID=what\n"), 0o600))
	found, err := l.search("kubevols", &types.VmDiskFileQueryFlags{CapacityKb: true})
	must(t, err)
	if len(found) != 1 || found[0].(*types.VmDiskFileInfo).CapacityKb != 0 {
		t.Errorf("%+v", found)
	}
}

func TestASearchOfAFolderThatIsNotThereFindsNone(t *testing.T) {
	l := start(t, "8.0.3")
	if _, err := l.search("none", nil); !isFault[*types.FileNotFound](err) {
		t.Fatal(err)
	}
}
