package vcenter

import (
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// browser finds files of a datastore. Of disks it tells the capacity, which the
// simulator's own leaves out.
type browser struct {
	*simulator.HostDatastoreBrowser

	store datastore
}

func (v *VCenter) putBrowsers() {
	for _, store := range v.datastores {
		ref := v.registry.Get(store.ref).(*simulator.Datastore).Browser
		v.registry.Put(&browser{v.registry.Get(ref).(*simulator.HostDatastoreBrowser), store})
	}
}

// SearchDatastoreTask leaves everything but queries for disks to the simulator.
func (b *browser) SearchDatastoreTask(ctx *simulator.Context, req *types.SearchDatastore_Task) soap.HasFault {
	query := diskQuery(req.SearchSpec)
	if query == nil {
		return b.HostDatastoreBrowser.SearchDatastoreTask(ctx, req)
	}
	task := simulator.CreateTask(b.store.ref, "searchDatastoreTask", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return b.search(req, query)
	})
	return &methods.SearchDatastore_TaskBody{Res: &types.SearchDatastore_TaskResponse{Returnval: task.Run(ctx)}}
}

func diskQuery(spec *types.HostDatastoreBrowserSearchSpec) *types.VmDiskFileQuery {
	if spec == nil || len(spec.Query) != 1 {
		return nil
	}
	query, _ := spec.Query[0].(*types.VmDiskFileQuery)
	return query
}

func (b *browser) search(req *types.SearchDatastore_Task, query *types.VmDiskFileQuery) (types.AnyType, types.BaseMethodFault) {
	var folder object.DatastorePath
	if !folder.FromString(req.DatastorePath) {
		return nil, &types.InvalidDatastorePath{DatastorePath: req.DatastorePath}
	}
	if folder.Datastore != b.store.name {
		return nil, &types.InvalidDatastore{Name: folder.Datastore}
	}
	entries, err := os.ReadDir(b.store.disk(folder.Path).file)
	if err != nil {
		return nil, b.store.disk(folder.Path).fault(err)
	}
	found := types.HostDatastoreBrowserSearchResults{Datastore: &b.store.ref, FolderPath: req.DatastorePath}
	for _, entry := range entries {
		if isDisk(entry.Name()) && matchesAny(req.SearchSpec.MatchPattern, entry.Name()) {
			found.File = append(found.File, b.info(path.Join(folder.Path, entry.Name()), query))
		}
	}
	return found, nil
}

func isDisk(name string) bool {
	return path.Ext(name) == ".vmdk" && !strings.HasSuffix(name, "-flat.vmdk")
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matches, _ := path.Match(pattern, name); matches {
			return true
		}
	}
	return false
}

// info is what vCenter says of a disk: no capacity unless asked for, nor of a
// descriptor that can't be read.
func (b *browser) info(name string, query *types.VmDiskFileQuery) *types.VmDiskFileInfo {
	info := &types.VmDiskFileInfo{FileInfo: types.FileInfo{Path: path.Base(name)}}
	if query.Details != nil && query.Details.CapacityKb {
		if bytes, fault := b.store.disk(name).capacity(); fault == nil {
			info.CapacityKb = bytes / 1024
		}
	}
	return info
}
