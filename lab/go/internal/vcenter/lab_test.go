package vcenter

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/cns"
	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	admin    = "administrator@vsphere.local"
	csi      = "csi@vsphere.local"
	reader   = "reader@vsphere.local"
	fastLUN  = "LUN 7 (fast)"
	diskPath = "[LUN 7 (fast)] kubevols/pv 1.vmdk"
	node1    = "42000000-0000-0000-0000-000000000001"
)

// lab is a vCenter that a client talks to over TLS.
type lab struct {
	t      *testing.T
	ctx    context.Context
	config Config
	url    string
	stop   func()
	client *govmomi.Client
	finder *find.Finder
	dc     *object.Datacenter
	fast   types.ManagedObjectReference
	vsom   types.ManagedObjectReference
}

func start(t *testing.T, version string) *lab {
	t.Helper()
	config := Config{
		State: t.TempDir(), APIVersion: "8.0.3.0", Version: version,
		Folder: "Production", Datacenter: "DC0", Datastores: []string{"vsanDatastore", fastLUN},
		Users: []User{
			{Name: admin, Password: "secret", Role: "Admin"},
			{Name: csi, Password: "secret", Privileges: []string{
				"System.View", "System.Read", datastoreFileManagement, datastoreBrowse, cnsSearchable,
				addExistingDisk, addRemoveDevice, removeDisk}},
			{Name: reader, Password: "secret", Privileges: []string{"System.View", "System.Read"}},
		},
		Nodes: []Node{{"node-1", node1}, {"node-2", "42000000-0000-0000-0000-000000000002"}},
	}
	l := &lab{t: t, ctx: t.Context(), config: config}
	l.serve("127.0.0.1:0")
	t.Cleanup(func() { l.stop() })
	l.use(csi)
	return l
}

func (l *lab) serve(address string) {
	l.t.Helper()
	v, err := New(l.config)
	must(l.t, err)
	listener, err := net.Listen("tcp", address)
	must(l.t, err)
	server := httptest.NewUnstartedServer(v.Handler())
	must(l.t, server.Listener.Close())
	server.Listener = listener
	server.StartTLS()
	l.url = server.URL
	l.stop = func() {
		server.CloseClientConnections()
		server.Close()
		must(l.t, v.Close())
	}
}

// restart leaves the client with the session that it had.
func (l *lab) restart() {
	l.t.Helper()
	l.stop()
	l.serve(strings.TrimPrefix(l.url, "https://"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) login(name, password string) (*govmomi.Client, error) {
	address, err := url.Parse(l.url + "/sdk")
	must(l.t, err)
	address.User = url.UserPassword(name, password)
	return govmomi.NewClient(l.ctx, address, true)
}

func (l *lab) use(name string) {
	l.t.Helper()
	client, err := l.login(name, "secret")
	must(l.t, err)
	l.client, l.finder = client, find.NewFinder(client.Client)
	l.dc, err = l.finder.Datacenter(l.ctx, l.config.InventoryPath())
	must(l.t, err)
	l.finder.SetDatacenter(l.dc)
	store, err := l.finder.Datastore(l.ctx, fastLUN)
	must(l.t, err)
	l.fast, l.vsom = store.Reference(), *client.ServiceContent.VStorageObjectManager
}

func (l *lab) vm(name string) *object.VirtualMachine {
	l.t.Helper()
	vm, err := l.finder.VirtualMachine(l.ctx, name)
	must(l.t, err)
	return vm
}

func (l *lab) createDisk() {
	l.t.Helper()
	must(l.t, l.await(object.NewVirtualDiskManager(l.client.Client).CreateVirtualDisk(l.ctx, diskPath, l.dc,
		&types.FileBackedVirtualDiskSpec{CapacityKb: 2 * 1024 * 1024})))
}

func (l *lab) await(task *object.Task, err error) error {
	l.t.Helper()
	must(l.t, err)
	return task.Wait(l.ctx)
}

func folderAddress(dcPath, file string) string {
	query := url.Values{"dcPath": {dcPath}, "dsName": {fastLUN}}
	return "https://vcenter/folder/" + url.PathEscape(file) + "?" + query.Encode()
}

func (l *lab) register(address string) (types.VStorageObject, error) {
	res, err := methods.RegisterDisk(l.ctx, l.client, &types.RegisterDisk{This: l.vsom, Path: address, Name: "mine"})
	if err != nil {
		return types.VStorageObject{}, err
	}
	return res.Returnval, nil
}

func (l *lab) registered() types.VStorageObject {
	l.t.Helper()
	l.createDisk()
	disk, err := l.register(folderAddress("/Production/DC0", "kubevols/pv 1.vmdk"))
	must(l.t, err)
	return disk
}

func (l *lab) retrieve(id string) (types.VStorageObjectConfigInfo, error) {
	res, err := methods.RetrieveVStorageObject(l.ctx, l.client, &types.RetrieveVStorageObject{
		This: l.vsom, Id: types.ID{Id: id}, Datastore: l.fast})
	if err != nil {
		return types.VStorageObjectConfigInfo{}, err
	}
	return res.Returnval.Config, nil
}

func (l *lab) cns() *cns.Client {
	l.t.Helper()
	client, err := cns.NewClient(l.ctx, l.client.Client)
	must(l.t, err)
	return client
}

// volumeResult is what befell the one volume of a CNS operation.
func (l *lab) volumeResult(task *object.Task, err error) cnstypes.BaseCnsVolumeOperationResult {
	l.t.Helper()
	must(l.t, err)
	info, err := cns.GetTaskInfo(l.ctx, task)
	must(l.t, err)
	result, err := cns.GetTaskResult(l.ctx, info)
	must(l.t, err)
	return result
}

func (l *lab) volumeFault(task *object.Task, err error) types.BaseMethodFault {
	l.t.Helper()
	found := l.volumeResult(task, err).GetCnsVolumeOperationResult().Fault
	if found == nil {
		return nil
	}
	return found.Fault
}

func (l *lab) tag(details *cnstypes.CnsBlockBackingDetails) cnstypes.BaseCnsVolumeOperationResult {
	l.t.Helper()
	return l.volumeResult(l.cns().CreateVolume(l.ctx, []cnstypes.CnsVolumeCreateSpec{{
		Name: "pv-1", VolumeType: "BLOCK", BackingObjectDetails: details,
		Metadata: cnstypes.CnsVolumeMetadata{ContainerCluster: cnstypes.CnsContainerCluster{
			ClusterType: "KUBERNETES", ClusterId: "user-cluster", VSphereUser: csi}},
	}}))
}

func (l *lab) tagged() string {
	l.t.Helper()
	id := l.registered().Config.Id.Id
	l.tag(&cnstypes.CnsBlockBackingDetails{BackingDiskId: id})
	return id
}

func (l *lab) attachSpec(id, vm string) []cnstypes.CnsVolumeAttachDetachSpec {
	return []cnstypes.CnsVolumeAttachDetachSpec{{VolumeId: cnstypes.CnsVolumeId{Id: id}, Vm: l.vm(vm).Reference()}}
}

func (l *lab) attach(id, vm string) cnstypes.BaseCnsVolumeOperationResult {
	l.t.Helper()
	return l.volumeResult(l.cns().AttachVolume(l.ctx, l.attachSpec(id, vm)))
}

func (l *lab) untag(id string, deleteDisk bool) types.BaseMethodFault {
	l.t.Helper()
	return l.volumeFault(l.cns().DeleteVolume(l.ctx, []cnstypes.CnsVolumeId{{Id: id}}, deleteDisk))
}

func (l *lab) addByPath(vm string) error {
	l.t.Helper()
	devices, err := l.vm(vm).Device(l.ctx)
	must(l.t, err)
	controller, err := devices.FindDiskController("scsi")
	must(l.t, err)
	disk := devices.CreateDisk(controller, l.fast, diskPath)
	spec := deviceChange(types.VirtualDeviceConfigSpecOperationAdd, disk)
	return l.await(l.vm(vm).Reconfigure(l.ctx, spec))
}

func (l *lab) disks(vm string) []*types.VirtualDisk {
	l.t.Helper()
	devices, err := l.vm(vm).Device(l.ctx)
	must(l.t, err)
	var disks []*types.VirtualDisk
	for _, device := range devices.SelectByType((*types.VirtualDisk)(nil)) {
		disks = append(disks, device.(*types.VirtualDisk))
	}
	return disks
}

func (l *lab) links() []string {
	l.t.Helper()
	found, err := filepath.Glob(filepath.Join(l.config.State, "devices", node1, "*"))
	must(l.t, err)
	return found
}

func (l *lab) file(name string) string {
	return filepath.Join(l.config.State, "datastores", "1", name)
}

// lastCall is the audit's last line of a method; it waits for it.
func (l *lab) lastCall(method string) call {
	l.t.Helper()
	return l.lastOf(1, method)
}

// lastOf waits for that many lines of a method: a task's line may come after the
// client has seen its end.
func (l *lab) lastOf(count int, method string) call {
	l.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		found := slices.DeleteFunc(l.calls(), func(entry call) bool { return entry.Method != method })
		if len(found) >= count {
			return found[0]
		}
	}
	l.t.Fatalf("%s is not %d times in the audit", method, count)
	return call{}
}

func (l *lab) calls() []call {
	l.t.Helper()
	file, err := os.Open(filepath.Join(l.config.State, "calls.jsonl"))
	must(l.t, err)
	defer file.Close()
	var all []call
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var entry call
		must(l.t, json.Unmarshal(lines.Bytes(), &entry))
		all = append([]call{entry}, all...)
	}
	return all
}

func isFault[T types.BaseMethodFault](err error) bool {
	var wanted T
	_, found := fault.As(err, &wanted)
	return found
}
