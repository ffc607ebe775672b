package vcenter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// visible is what a client sees of disks and VMs, and a guest of its devices,
// each as JSON.
func (l *lab) visible() map[string]string {
	l.t.Helper()
	seen := map[string]any{}
	for _, id := range l.list() {
		config, err := l.retrieve(id.Id)
		must(l.t, err)
		seen["fcd "+id.Id] = config
	}
	found, err := l.cns().QueryVolume(l.ctx, &cnstypes.CnsQueryFilter{})
	must(l.t, err)
	seen["volumes"] = found.Volumes
	for _, name := range []string{"node-1", "node-2"} {
		seen[name] = l.hardware(name)
	}
	for _, link := range l.links() {
		info, err := os.Lstat(link)
		must(l.t, err)
		seen[link] = info.ModTime()
	}
	return l.asJSON(seen)
}

func (l *lab) asJSON(seen map[string]any) map[string]string {
	l.t.Helper()
	texts := map[string]string{}
	for name, value := range seen {
		text, err := json.MarshalIndent(value, "", " ")
		must(l.t, err)
		texts[name] = string(text)
	}
	return texts
}

// unchanged compares with what was visible before.
func (l *lab) unchanged(before map[string]string) {
	l.t.Helper()
	after := l.visible()
	for name := range before {
		if after[name] != before[name] {
			l.t.Errorf("%s\nbefore %s\nafter %s", name, before[name], after[name])
		}
	}
	if len(after) != len(before) {
		l.t.Errorf("before %d, after %d", len(before), len(after))
	}
}

func (l *lab) list() []types.ID {
	l.t.Helper()
	listed, err := methods.ListVStorageObject(l.ctx, l.client, &types.ListVStorageObject{This: l.vsom, Datastore: l.fast})
	must(l.t, err)
	return listed.Returnval
}

func (l *lab) hardware(name string) map[string]any {
	l.t.Helper()
	var vm mo.VirtualMachine
	collector := property.DefaultCollector(l.client.Client)
	must(l.t, collector.RetrieveOne(l.ctx, l.vm(name).Reference(),
		[]string{"config.uuid", "config.instanceUuid", "config.files", "config.hardware.device", "runtime.powerState"}, &vm))
	return map[string]any{"self": vm.Self, "uuid": vm.Config.Uuid, "instance": vm.Config.InstanceUuid,
		"files": vm.Config.Files, "devices": vm.Config.Hardware.Device, "power": vm.Runtime.PowerState}
}

func (l *lab) named(id string) {
	l.t.Helper()
	must(l.t, l.await(l.cns().UpdateVolumeMetadata(l.ctx, []cnstypes.CnsVolumeMetadataUpdateSpec{{
		VolumeId: cnstypes.CnsVolumeId{Id: id},
		Metadata: cnstypes.CnsVolumeMetadata{
			ContainerCluster: cnstypes.CnsContainerCluster{ClusterType: "KUBERNETES", ClusterId: "user-cluster", VSphereUser: csi},
			EntityMetadata: []cnstypes.BaseCnsEntityMetadata{&cnstypes.CnsKubernetesEntityMetadata{
				CnsEntityMetadata: cnstypes.CnsEntityMetadata{
					EntityName: "pv-1", ClusterID: "user-cluster", Labels: []types.KeyValue{{Key: "app", Value: "web"}}},
				EntityType: "PERSISTENT_VOLUME"}}}}})))
}

func TestARestartKeepsDisksVolumesAndDevices(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	l.named(id)
	l.attach(id, "node-1")
	before := l.visible()
	for range 2 {
		l.restart()
		l.use(csi)
		l.unchanged(before)
	}
	config, err := l.retrieve(id)
	must(t, err)
	if len(l.links()) != 1 || len(config.ConsumerId) != 1 || config.ConsumerId[0].Id != node1 {
		t.Errorf("%v %v", l.links(), config.ConsumerId)
	}
}

func TestWhatWasAttachedBeforeARestartIsHeldAndCanBeDetached(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	l.attach(id, "node-1")
	l.restart()
	l.use(csi)
	refused := l.attach(id, "node-2").GetCnsVolumeOperationResult().Fault
	if _, held := refused.Fault.(*types.ResourceInUse); !held {
		t.Fatalf("%#v", refused)
	}
	if err := l.volumeFault(l.cns().DetachVolume(l.ctx, l.attachSpec(id, "node-1"))); err != nil {
		t.Fatalf("%#v", err)
	}
	if config, err := l.retrieve(id); err != nil || len(l.links()) != 0 || len(config.ConsumerId) != 0 {
		t.Fatal(err, l.links(), config.ConsumerId)
	}
	l.restart()
	l.use(csi)
	if fault := l.attach(id, "node-2").GetCnsVolumeOperationResult().Fault; fault != nil {
		t.Fatalf("%#v", fault)
	}
}

func TestADiskAttachedByPathIsKeptWithoutItsFCD(t *testing.T) {
	l := start(t, "8.0.3")
	l.registered()
	must(t, l.addByPath("node-1"))
	before := l.visible()
	l.restart()
	l.use(csi)
	l.unchanged(before)
	if err := l.addByPath("node-2"); !isFault[*types.FileLocked](err) {
		t.Error(err)
	}
}

func TestEachChangeIsKept(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.registered().Config.Id
	again := func() types.VStorageObjectConfigInfo {
		l.restart()
		l.use(csi)
		config, err := l.retrieve(id.Id)
		must(t, err)
		return config
	}
	_, err := methods.SetVStorageObjectControlFlags(l.ctx, l.client, &types.SetVStorageObjectControlFlags{
		This: l.vsom, Id: id, Datastore: l.fast, ControlFlags: []string{keepAfterDeleteVM}})
	must(t, err)
	if !*again().KeepAfterDeleteVm {
		t.Error("the flag that was set is lost")
	}
	_, err = methods.ClearVStorageObjectControlFlags(l.ctx, l.client, &types.ClearVStorageObjectControlFlags{
		This: l.vsom, Id: id, Datastore: l.fast, ControlFlags: []string{keepAfterDeleteVM}})
	must(t, err)
	if *again().KeepAfterDeleteVm {
		t.Error("the flag that was cleared is back")
	}
	l.tag(&cnstypes.CnsBlockBackingDetails{BackingDiskId: id.Id})
	again()
	if fault := l.untag(id.Id, false); fault != nil {
		t.Errorf("the volume is lost: %#v", fault)
	}
	again()
	if fault := l.untag(id.Id, false); fault == nil {
		t.Error("the volume is back")
	}
}

func TestARestartEndsSessionsAndTasks(t *testing.T) {
	l := start(t, "8.0.3")
	id := l.tagged()
	task, err := l.cns().AttachVolume(l.ctx, l.attachSpec(id, "node-1"))
	must(t, err)
	must(t, task.Wait(l.ctx))
	spec := l.attachSpec(id, "node-1")
	l.restart()
	_, err = methods.ListVStorageObject(l.ctx, l.client, &types.ListVStorageObject{This: l.vsom, Datastore: l.fast})
	if !isFault[*types.NotAuthenticated](err) {
		t.Error(err)
	}
	l.use(csi)
	later, err := l.cns().DetachVolume(l.ctx, spec)
	must(t, l.await(later, err))
	if number(t, later) <= number(t, task) {
		t.Errorf("%v may come to be taken for %v", later, task)
	}
	err = object.NewTask(l.client.Client, task.Reference()).Wait(l.ctx)
	if !isFault[*types.ManagedObjectNotFound](err) {
		t.Error(err)
	}
}

func number(t *testing.T, task *object.Task) int {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimPrefix(task.Reference().Value, "task-"))
	must(t, err)
	return number
}

func TestALinkThatACrashLeftIsRemoved(t *testing.T) {
	l := start(t, "8.0.3")
	left := filepath.Join(l.config.State, "devices", node1, "left")
	must(t, os.MkdirAll(filepath.Dir(left), 0o755))
	must(t, os.Symlink("nowhere", left))
	l.restart()
	if links := l.links(); len(links) != 0 {
		t.Error(links)
	}
}

func TestALinkThatACrashTookIsMadeAgain(t *testing.T) {
	l := start(t, "8.0.3")
	l.attach(l.tagged(), "node-1")
	before := l.links()
	must(t, os.Remove(before[0]))
	l.restart()
	if after := l.links(); !reflect.DeepEqual(after, before) {
		t.Error(after)
	}
}
