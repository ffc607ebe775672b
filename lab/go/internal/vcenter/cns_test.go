package vcenter

import (
	"os"
	"slices"
	"sync"
	"testing"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/vim25/types"

	"lab/internal/vcenter/cnsfault"
)

func TestCreateByURLRegistersTheDiskAndProtectsItSince803(t *testing.T) {
	for version, protected := range map[string]bool{"8.0.3": true, "8.0.2": false, "9.0": true} {
		l := start(t, version)
		l.createDisk()
		created := l.tag(&cnstypes.CnsBlockBackingDetails{
			BackingDiskUrlPath: folderAddress("/Production/DC0", "kubevols/pv 1.vmdk")})
		config, err := l.retrieve(created.GetCnsVolumeOperationResult().VolumeId.Id)
		must(t, err)
		if *config.KeepAfterDeleteVm != protected {
			t.Errorf("%s: keepAfterDeleteVm %v", version, *config.KeepAfterDeleteVm)
		}
	}
}

func TestCreateOfARegisteredVolumeNamesIt(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	again := l.tag(&cnstypes.CnsBlockBackingDetails{BackingDiskId: id}).GetCnsVolumeOperationResult()
	// A client of govmomi decodes this fault to govmomi's own type.
	already, ok := again.Fault.Fault.(*cnstypes.CnsAlreadyRegisteredFault)
	if !ok || already.VolumeId.Id != id {
		t.Fatalf("%#v", again.Fault.Fault)
	}
}

func TestCreateOfANewDisk(t *testing.T) {
	l := start(t, "8.0.3")
	created := l.tag(&cnstypes.CnsBlockBackingDetails{
		CnsBackingObjectDetails: cnstypes.CnsBackingObjectDetails{CapacityInMb: 10}}).GetCnsVolumeOperationResult()
	found, err := l.cns().QueryVolume(l.ctx, &cnstypes.CnsQueryFilter{VolumeIds: []cnstypes.CnsVolumeId{created.VolumeId}})
	must(t, err)
	path := found.Volumes[0].BackingObjectDetails.(*cnstypes.CnsBlockBackingDetails).BackingDiskPath
	if want := "[vsanDatastore] fcd/" + created.VolumeId.Id + ".vmdk"; path != want {
		t.Fatal(path)
	}
}

func TestUnregisteredVolumesAreRefused(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id.Id
	update := []cnstypes.CnsVolumeMetadataUpdateSpec{{VolumeId: cnstypes.CnsVolumeId{Id: id}}}
	for what, got := range map[string]types.BaseMethodFault{
		"attach": l.volumeFault(l.cns().AttachVolume(l.ctx, l.attachSpec(id, "node-1"))),
		"detach": l.volumeFault(l.cns().DetachVolume(l.ctx, l.attachSpec(id, "node-1"))),
		"delete": l.untag(id, true),
		"update": l.volumeFault(l.cns().UpdateVolumeMetadata(l.ctx, update)),
	} {
		refused, ok := got.(*cnsfault.CnsNotRegisteredFault)
		if !ok || refused.VolumeId.Id != id {
			t.Errorf("%s: %#v", what, got)
		}
	}
}

func TestAttachAddsTheDeviceTheConsumerAndTheLink(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	attached := l.attach(id, "node-1").(*cnstypes.CnsVolumeAttachResult)
	disks := l.disks("node-1")
	if len(disks) != 1 || fileName(disks[0]) != diskPath || disks[0].VDiskId.Id != id {
		t.Fatalf("%+v", disks)
	}
	if uuid := disks[0].Backing.(*types.VirtualDiskFlatVer2BackingInfo).Uuid; uuid != attached.DiskUUID {
		t.Errorf("diskUUID %s, backing.uuid %s", attached.DiskUUID, uuid)
	}
	config, err := l.retrieve(id)
	must(t, err)
	if len(config.ConsumerId) != 1 || config.ConsumerId[0].Id != node1 {
		t.Errorf("consumer %v", config.ConsumerId)
	}
	target, err := os.Readlink(l.config.State + "/devices/" + node1 + "/" + attached.DiskUUID)
	must(t, err)
	if target != l.file("kubevols/pv 1-flat.vmdk") {
		t.Error(target)
	}
}

func TestDetachTakesAllThreeAway(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	l.attach(id, "node-1")
	must(t, l.await(l.cns().DetachVolume(l.ctx, l.attachSpec(id, "node-1"))))
	config, err := l.retrieve(id)
	must(t, err)
	if len(l.disks("node-1")) != 0 || len(l.links()) != 0 || len(config.ConsumerId) != 0 {
		t.Fatal(l.disks("node-1"), l.links(), config.ConsumerId)
	}
	gone := l.volumeFault(l.cns().DetachVolume(l.ctx, l.attachSpec(id, "node-1")))
	if _, ok := gone.(*types.NotFound); !ok {
		t.Fatalf("%#v", gone)
	}
}

func TestAttachedVolumesAreInUse(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	l.attach(id, "node-1")
	for what, got := range map[string]types.BaseMethodFault{
		"same VM":     l.volumeFault(l.cns().AttachVolume(l.ctx, l.attachSpec(id, "node-1"))),
		"other VM":    l.volumeFault(l.cns().AttachVolume(l.ctx, l.attachSpec(id, "node-2"))),
		"untag":       l.untag(id, false),
		"delete disk": l.untag(id, true),
	} {
		if _, ok := got.(*types.ResourceInUse); !ok {
			t.Errorf("%s: %#v", what, got)
		}
	}
}

func TestOfTwoVMsAtOnceOneGetsTheVolume(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	faults := make([]types.BaseMethodFault, 2)
	var both sync.WaitGroup
	for i, vm := range []string{"node-1", "node-2"} {
		spec, client := l.attachSpec(id, vm), l.cns()
		both.Add(1)
		go func() {
			defer both.Done()
			faults[i] = l.volumeFault(client.AttachVolume(l.ctx, spec))
		}()
	}
	both.Wait()
	if (faults[0] == nil) == (faults[1] == nil) {
		t.Fatalf("%#v", faults)
	}
}

func TestUntaggingKeepsTheDisk(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	if fault := l.untag(id, false); fault != nil {
		t.Fatalf("%#v", fault)
	}
	_, err := l.retrieve(id)
	must(t, err)
	if destroyed := l.lastCall("CnsDeleteVolume").Destroyed; len(destroyed) != 0 {
		t.Error(destroyed)
	}
}

func TestDeletingTheDiskDestroysItAndIsAudited(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	if fault := l.untag(id, true); fault != nil {
		t.Fatalf("%#v", fault)
	}
	if _, err := l.retrieve(id); !isFault[*types.NotFound](err) {
		t.Error(err)
	}
	if destroyed := l.lastCall("CnsDeleteVolume").Destroyed; !slices.Equal(destroyed, []string{diskPath}) {
		t.Error(destroyed)
	}
}

func TestUpdateMergesEntitiesByType(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	for _, entity := range []cnstypes.CnsKubernetesEntityMetadata{
		{EntityType: "PERSISTENT_VOLUME", CnsEntityMetadata: cnstypes.CnsEntityMetadata{EntityName: "old", ClusterID: "c"}},
		{EntityType: "PERSISTENT_VOLUME_CLAIM", CnsEntityMetadata: cnstypes.CnsEntityMetadata{EntityName: "claim", ClusterID: "c"}},
		{EntityType: "PERSISTENT_VOLUME", CnsEntityMetadata: cnstypes.CnsEntityMetadata{EntityName: "new", ClusterID: "c"}},
	} {
		spec := cnstypes.CnsVolumeMetadataUpdateSpec{VolumeId: cnstypes.CnsVolumeId{Id: id}}
		spec.Metadata.EntityMetadata = []cnstypes.BaseCnsEntityMetadata{&entity}
		must(t, l.await(l.cns().UpdateVolumeMetadata(l.ctx, []cnstypes.CnsVolumeMetadataUpdateSpec{spec})))
	}
	found, err := l.cns().QueryAllVolume(l.ctx, cnstypes.CnsQueryFilter{}, cnstypes.CnsQuerySelection{})
	must(t, err)
	var names []string
	for _, entity := range found.Volumes[0].Metadata.EntityMetadata {
		names = append(names, entity.GetCnsEntityMetadata().EntityName)
	}
	if !slices.Equal(names, []string{"claim", "new"}) {
		t.Error(names)
	}
}

func TestExtendGrowsTheDisk(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	must(t, l.await(l.cns().ExtendVolume(l.ctx, []cnstypes.CnsVolumeExtendSpec{
		{VolumeId: cnstypes.CnsVolumeId{Id: id}, CapacityInMb: 4096}})))
	config, err := l.retrieve(id)
	must(t, err)
	if config.CapacityInMB != 4096 {
		t.Error(config.CapacityInMB)
	}
}
