package vcenter

import (
	"os"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

func TestAttachByPathLeavesNoTraceInTheCatalog(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id.Id
	must(t, l.addByPath("node-1"))
	disks := l.disks("node-1")
	if len(disks) != 1 || disks[0].VDiskId != nil || len(l.links()) != 1 {
		t.Fatal(disks, l.links())
	}
	if disks[0].CapacityInKB != 2*1024*1024 {
		t.Error(disks[0].CapacityInKB)
	}
	config, err := l.retrieve(id)
	must(t, err)
	if len(config.ConsumerId) != 0 {
		t.Error(config.ConsumerId)
	}
}

func TestAHeldFileIsLocked(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	must(t, l.addByPath("node-1"))
	if err := l.addByPath("node-2"); !isFault[*types.FileLocked](err) {
		t.Error(err)
	}
	manager := object.NewVirtualDiskManager(l.client.Client)
	if err := l.await(manager.DeleteVirtualDisk(l.ctx, diskPath, l.dc)); !isFault[*types.FileLocked](err) {
		t.Error(err)
	}
}

func TestRemovalByPathFreesTheFile(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	must(t, l.addByPath("node-1"))
	must(t, l.vm("node-1").RemoveDevice(l.ctx, true, l.disks("node-1")[0]))
	if len(l.links()) != 0 {
		t.Error(l.links())
	}
	must(t, l.addByPath("node-2"))
}

func TestRemovalWithDestroyIsAudited(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	must(t, l.addByPath("node-1"))
	must(t, l.vm("node-1").RemoveDevice(l.ctx, false, l.disks("node-1")[0]))
	if destroyed := l.lastOf(2, "ReconfigVM_Task").Destroyed; len(destroyed) != 1 {
		t.Error(destroyed)
	}
}

func TestAMissingFileIsNotAttached(t *testing.T) {
	l := start(t, "8.0.3")
	if err := l.addByPath("node-1"); !isFault[*types.FileNotFound](err) {
		t.Fatal(err)
	}
	l.createDisk()
	must(t, l.addByPath("node-2"))
}

func TestAttachAndDetachOfAnFCDByItsVM(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id.Id
	must(t, l.vm("node-1").AttachDisk(l.ctx, id, object.NewDatastore(l.client.Client, l.fast), 0, nil))
	if disks := l.disks("node-1"); len(disks) != 1 || disks[0].VDiskId.Id != id {
		t.Fatal(disks)
	}
	must(t, l.vm("node-1").DetachDisk(l.ctx, id))
	if len(l.disks("node-1")) != 0 {
		t.Error("still there")
	}
}

func TestDestroyingANodeDestroysUnprotectedDisks(t *testing.T) {
	for version, kept := range map[string]bool{"8.0.3": true, "8.0.2": false} {
		l := start(t, version)
		l.attach(l.tagged(), "node-1")
		l.use(admin)
		must(t, l.await(l.vm("node-1").PowerOff(l.ctx)))
		must(t, l.await(l.vm("node-1").Destroy(l.ctx)))
		_, err := os.Stat(l.file("kubevols/pv 1-flat.vmdk"))
		if (err == nil) != kept || len(l.links()) != 0 {
			t.Errorf("%s: %v, links %v", version, err, l.links())
		}
	}
}
