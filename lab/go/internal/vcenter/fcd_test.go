package vcenter

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

func TestRegisterDiskGivesAnUnprotectedDiskOfTheProvisionedSize(t *testing.T) {
	l := start(t, "8.0.3")
	disk := l.registered()
	if disk.Config.CapacityInMB != 2048 {
		t.Errorf("capacity %d MB", disk.Config.CapacityInMB)
	}
	if *disk.Config.KeepAfterDeleteVm {
		t.Error("protected at once")
	}
	if got := backingOf(&disk).FilePath; got != diskPath {
		t.Errorf("filePath %q", got)
	}
}

func TestRegisterDiskTwiceNamesTheFCD(t *testing.T) {
	l := start(t, "8.0.3")
	disk := l.registered()
	_, err := l.register(folderAddress("Production/DC0", "kubevols/pv 1.vmdk"))
	var exists *types.AlreadyExists
	if _, ok := fault.As(err, &exists); !ok || exists.Name != disk.Config.Id.Id {
		t.Fatalf("%v, %+v", err, exists)
	}
}

func TestOnlyADiskThatIsNoFCDYetTakesTimeToRegister(t *testing.T) {
	l := start(t, "8.0.3")
	l.registered()
	l.config.Delays.Register = 20
	l.restart()
	l.use(csi)
	var end context.CancelFunc
	l.ctx, end = context.WithTimeout(t.Context(), 10*time.Second)
	defer end()
	if _, err := l.register(folderAddress("/Production/DC0", "kubevols/pv 1.vmdk")); !isFault[*types.AlreadyExists](err) {
		t.Fatal(err)
	}
}

func TestRegisterDiskRefusesABareDatacenterName(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	_, err := l.register(folderAddress("DC0", "kubevols/pv 1.vmdk"))
	var invalid *types.InvalidArgument
	if _, ok := fault.As(err, &invalid); !ok || invalid.InvalidProperty != "dsDiskUrl" {
		t.Fatalf("%v, %+v", err, invalid)
	}
}

func TestRegisterDiskOfAMissingFile(t *testing.T) {
	l := start(t, "8.0.3")
	if _, err := l.register(folderAddress("/Production/DC0", "none.vmdk")); !isFault[*types.FileNotFound](err) {
		t.Fatal(err)
	}
}

func TestRegisterDiskDecodesOnce(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	if _, err := l.register(folderAddress("/Production/DC0", "kubevols/pv%201.vmdk")); !isFault[*types.FileNotFound](err) {
		t.Fatal(err)
	}
}

func TestControlFlags(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id
	flags := []string{keepAfterDeleteVM, enableChangedBlockTracking}
	_, err := methods.SetVStorageObjectControlFlags(l.ctx, l.client, &types.SetVStorageObjectControlFlags{
		This: l.vsom, Id: id, Datastore: l.fast, ControlFlags: flags})
	must(t, err)
	_, err = methods.ClearVStorageObjectControlFlags(l.ctx, l.client, &types.ClearVStorageObjectControlFlags{
		This: l.vsom, Id: id, Datastore: l.fast, ControlFlags: flags[1:]})
	must(t, err)
	config, err := l.retrieve(id.Id)
	must(t, err)
	if !*config.KeepAfterDeleteVm || *config.ChangedBlockTrackingEnabled {
		t.Fatalf("%v %v", *config.KeepAfterDeleteVm, *config.ChangedBlockTrackingEnabled)
	}
}

func TestRetrieveIsNotFoundForUnknownIdsAndLostFiles(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id.Id
	if _, err := l.retrieve("unknown"); !isFault[*types.NotFound](err) {
		t.Error(err)
	}
	must(t, os.Remove(l.file("kubevols/pv 1.vmdk")))
	if _, err := l.retrieve(id); !isFault[*types.NotFound](err) {
		t.Error(err)
	}
}

func TestListVStorageObject(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id
	res, err := methods.ListVStorageObject(l.ctx, l.client, &types.ListVStorageObject{This: l.vsom, Datastore: l.fast})
	must(t, err)
	if len(res.Returnval) != 1 || res.Returnval[0] != id {
		t.Fatal(res.Returnval)
	}
}

func TestDeleteVStorageObjectDestroysOnlyDetachedDisks(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	l.attach(id, "node-1")
	remove := func() error {
		res, err := methods.DeleteVStorageObject_Task(l.ctx, l.client, &types.DeleteVStorageObject_Task{
			This: l.vsom, Id: types.ID{Id: id}, Datastore: l.fast})
		must(t, err)
		return object.NewTask(l.client.Client, res.Returnval).Wait(l.ctx)
	}
	if err := remove(); !isFault[*types.InvalidState](err) {
		t.Fatal(err)
	}
	must(t, l.await(l.cns().DetachVolume(l.ctx, l.attachSpec(id, "node-1"))))
	must(t, remove())
	if _, err := os.Stat(l.file("kubevols/pv 1-flat.vmdk")); !os.IsNotExist(err) {
		t.Error(err)
	}
}
