package vcenter

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/cns"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// VCenter is a running inventory with its catalog of disks.
type VCenter struct {
	config     Config
	model      *simulator.Model
	service    *simulator.Service
	registry   *simulator.Registry
	datacenter types.ManagedObjectReference
	datastores []datastore
	nodes      []*node
	catalog    catalog
	kept       state
	audit      *audit

	// protects says that CNS sets keepAfterDeleteVm as it registers a disk,
	// which it does since 8.0.3.
	protects bool
}

// New builds the inventory under config.State, and takes up what an earlier run
// has left there.
func New(config Config) (*VCenter, error) {
	if err := os.MkdirAll(config.State, 0o755); err != nil {
		return nil, err
	}
	protects, err := atLeast(config.Version, 8, 0, 3)
	if err != nil {
		return nil, err
	}
	v := &VCenter{config: config, catalog: newCatalog(), protects: protects}
	if err := v.recall(); err != nil {
		return nil, err
	}
	if err := v.build(); err != nil {
		return nil, err
	}
	if err := v.takeUp(); err != nil {
		return nil, err
	}
	v.override()
	// Not before: the inventory is built by calls, too, and several for each VM.
	v.model.DelayConfig.Delay = milliseconds(v.config.Delays.Call)
	audit, err := newAudit(filepath.Join(config.State, "calls.jsonl"), v)
	if err != nil {
		return nil, err
	}
	v.audit = audit
	return v, nil
}

func (v *VCenter) build() error {
	// Without the hand-over a task holds its object's lock while it is delayed,
	// and nobody can read that object.
	simulator.TaskDelay = simulator.DelayConfig{MethodDelay: v.taskDelays()}
	v.model = simulator.VPX()
	v.model.Datacenter, v.model.Datastore, v.model.Machine = 0, 0, 0
	v.model.Portgroup, v.model.Host, v.model.Cluster = 0, 0, 0
	v.model.ServiceContent.About.ApiVersion = v.config.APIVersion
	v.model.ServiceContent.About.Version = v.config.Version
	v.model.ServiceContent.About.Build = "24022515"
	v.model.ServiceContent.About.FullName = "VMware vCenter Server " + v.config.Version + " build-24022515"
	if err := v.model.Create(); err != nil {
		return err
	}
	v.service = v.model.Service
	v.registry = v.model.Map()
	return v.createInventory()
}

func (v *VCenter) taskDelays() map[string]int {
	attach, detach := milliseconds(v.config.Delays.Attach), milliseconds(v.config.Delays.Detach)
	return map[string]int{
		"LockHandoff":     0,
		"CnsAttachVolume": attach,
		"AttachDisk_Task": attach,
		"ReconfigVM_Task": attach,
		"CnsDetachVolume": detach,
		"DetachDisk_Task": detach,
		"CnsCreateVolume": milliseconds(v.config.Delays.Register),
		"CnsDeleteVolume": milliseconds(v.config.Delays.Unregister),
	}
}

// override puts the lab's objects in the place of the simulator's.
func (v *VCenter) override() {
	// Any other than the simulator's default login makes it ask ValidLogin.
	v.service.Listen = &url.URL{User: url.User("checked")}
	v.registry.SessionManager().ValidLogin = v.validLogin
	v.registry.Handler = v.authorize
	v.registry.AddHandler(taskEntity{v.registry.Get(v.model.ServiceContent.RootFolder).Reference()})
	v.putAuthorizationManager()
	v.putObjectManager()
	v.putDiskManager()
	v.putBrowsers()

	volumes := simulator.NewRegistry()
	volumes.Namespace, volumes.Path = cns.Namespace, cns.Path
	volumes.Handler = v.authorize
	volumes.Put(&volumeManager{ManagedObjectReference: cns.CnsVolumeManagerInstance, vcenter: v})
	v.service.RegisterSDK(volumes)
	v.service.RegisterSDK(v.registry, vim25.Path+"/vimService")
}

// Handler serves the SOAP APIs. The datastores' files are not served.
func (v *VCenter) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{vim25.Path, vim25.Path + "/vimService", cns.Path} {
		mux.Handle(path, v.audit)
	}
	mux.HandleFunc(vim25.Path+"/vimServiceVersions.xml", v.service.ServiceVersions)
	mux.HandleFunc(vim25.Path+"/vsanServiceVersions.xml", v.service.ServiceVersionsVsan)
	return mux
}

// Close waits for the calls being audited and removes temporary files.
func (v *VCenter) Close() error {
	v.model.Remove()
	return v.audit.close()
}
