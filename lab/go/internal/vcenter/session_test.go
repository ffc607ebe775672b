package vcenter

import (
	"io"
	"net/http"
	"strings"
	"testing"

	cnstypes "github.com/vmware/govmomi/cns/types"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func TestABadPasswordIsAnInvalidLogin(t *testing.T) {
	l := start(t, "8.0.3")
	if _, err := l.login(csi, "wrong"); !isFault[*types.InvalidLogin](err) {
		t.Error(err)
	}
	if entry := l.lastCall("Login"); entry.User != csi || entry.Fault != "InvalidLogin" {
		t.Errorf("%+v", entry)
	}
	if _, err := l.login(`VSPHERE.LOCAL\csi`, "secret"); err != nil {
		t.Error(err)
	}
}

func TestCallsAreRefusedWithoutTheirPrivilege(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	l.use(reader)
	_, register := l.register(folderAddress("/Production/DC0", "kubevols/pv 1.vmdk"))
	_, query := l.cns().QueryVolume(l.ctx, &cnstypes.CnsQueryFilter{})
	_, attach := l.cns().AttachVolume(l.ctx, l.attachSpec("x", "node-1"))
	browser, err := object.NewDatastore(l.client.Client, l.fast).Browser(l.ctx)
	must(t, err)
	_, browse := browser.SearchDatastore(l.ctx, "["+fastLUN+"]", &types.HostDatastoreBrowserSearchSpec{})
	_, reconfigure := l.vm("node-1").Reconfigure(l.ctx, deviceChange(types.VirtualDeviceConfigSpecOperationAdd, &types.VirtualDisk{}))
	for want, err := range map[string]error{
		datastoreFileManagement: register, cnsSearchable: query, datastoreBrowse: browse, addExistingDisk: attach,
	} {
		refused(t, err, want)
	}
	refused(t, reconfigure, addExistingDisk)
}

func refused(t *testing.T, err error, privilege string) {
	t.Helper()
	var refused *types.NoPermission
	if _, ok := fault.As(err, &refused); !ok || refused.PrivilegeId != privilege {
		t.Errorf("%s: %v", privilege, err)
	}
}

func TestPrivilegesAreAnsweredFromTheConfiguration(t *testing.T) {
	l := start(t, "8.0.3")
	manager := object.NewAuthorizationManager(l.client.Client)
	current, err := session.NewManager(l.client.Client).UserSession(l.ctx)
	must(t, err)
	own, err := methods.HasPrivilegeOnEntities(l.ctx, l.client, &types.HasPrivilegeOnEntities{
		This: manager.Reference(), Entity: []types.ManagedObjectReference{l.fast}, SessionId: current.Key,
		PrivId: []string{datastoreFileManagement, deleteVM}})
	must(t, err)
	granted := own.Returnval[0].PrivAvailability
	if !granted[0].IsGranted || granted[1].IsGranted {
		t.Errorf("%+v", granted)
	}
	fetched, err := manager.FetchUserPrivilegeOnEntities(l.ctx, []types.ManagedObjectReference{l.fast}, reader)
	must(t, err)
	if len(fetched[0].Privileges) != 2 {
		t.Errorf("%+v", fetched)
	}
}

func TestTheDatastoresFilesAreNotServed(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	request, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.url+"/folder/kubevols/pv%201.vmdk?dcPath=/Production/DC0", nil)
	must(t, err)
	response, err := l.client.Client.Client.Transport.RoundTrip(request)
	must(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Error(response.Status)
	}
}

func TestFetchOfTheContentNamesTheObjectManager(t *testing.T) {
	l := start(t, "8.0.3")
	const body = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
		`<Fetch xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this><prop>content</prop></Fetch>` +
		`</soapenv:Body></soapenv:Envelope>`
	request, err := http.NewRequestWithContext(l.ctx, http.MethodPost, l.url+"/sdk", strings.NewReader(body))
	must(t, err)
	var answer string
	must(t, l.client.Client.Client.Do(l.ctx, request, func(response *http.Response) error {
		content, err := io.ReadAll(response.Body)
		answer = string(content)
		return err
	}))
	if !strings.Contains(answer, "<FetchResponse") || !strings.Contains(answer, ">VStorageObjectManager<") {
		t.Error(answer)
	}
}

func TestTasksAreOfManagedEntities(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	grow := int64(4 * 1024 * 1024)
	task, err := object.NewVirtualDiskManager(l.client.Client).ExtendVirtualDisk(l.ctx, diskPath, l.dc, grow, nil)
	must(t, err)
	info, err := task.WaitForResult(l.ctx)
	must(t, err)
	if info.Entity.Type != "Folder" {
		t.Error(info.Entity)
	}
}

func TestFilesCannotBeChangedBehindTheAudit(t *testing.T) {
	l := start(t, "8.0.3")
	l.createDisk()
	_, err := object.NewFileManager(l.client.Client).DeleteDatastoreFile(l.ctx, diskPath, l.dc)
	if !isFault[*types.NotSupported](err) {
		t.Error(err)
	}
}

func TestCallsWithoutASessionAreRefused(t *testing.T) {
	l := start(t, "8.0.3")
	must(t, l.client.Logout(l.ctx))
	_, err := methods.ListVStorageObject(l.ctx, l.client, &types.ListVStorageObject{This: l.vsom, Datastore: l.fast})
	if !soap.IsSoapFault(err) || !isFault[*types.NotAuthenticated](err) {
		t.Error(err)
	}
}
