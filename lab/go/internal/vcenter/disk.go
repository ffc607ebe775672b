package vcenter

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vmdk"
)

const mebibyte = 1 << 20

// vmdkFile is a disk's descriptor in a datastore.
type vmdkFile struct {
	path      string // as in "[datastore] directory/name.vmdk"
	file      string
	datastore datastore
}

func (d vmdkFile) flat() string { return simulator.VirtualDiskBackingFileName(d.file) }

// locate resolves a datastore path, whether there is such a file or not.
func (v *VCenter) locate(name string) (vmdkFile, types.BaseMethodFault) {
	var parsed object.DatastorePath
	if !parsed.FromString(name) || parsed.Path == "" {
		return vmdkFile{}, &types.InvalidDatastorePath{DatastorePath: name}
	}
	store, found := v.datastoreNamed(parsed.Datastore)
	if !found {
		return vmdkFile{}, &types.InvalidDatastore{Name: parsed.Datastore}
	}
	return store.disk(parsed.Path), nil
}

func (d datastore) disk(name string) vmdkFile {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	full := object.DatastorePath{Datastore: d.name, Path: name}
	return vmdkFile{path: full.String(), file: filepath.Join(d.directory, name), datastore: d}
}

// create writes the descriptor and an empty flat file: the lab's nodes write to
// the latter by appending.
func (d vmdkFile) create(bytes int64) types.BaseMethodFault {
	if err := os.MkdirAll(filepath.Dir(d.file), 0o755); err != nil {
		return d.fault(err)
	}
	file, err := os.OpenFile(d.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return d.fault(err)
	}
	defer file.Close()
	extent := vmdk.Extent{Info: filepath.Base(d.flat()), Size: bytes / vmdk.SectorSize}
	if err := vmdk.NewDescriptor(extent).Write(file); err != nil {
		return d.fault(err)
	}
	return d.fault(os.WriteFile(d.flat(), nil, 0o644))
}

// capacity is the provisioned size in bytes, as the descriptor has it.
func (d vmdkFile) capacity() (int64, types.BaseMethodFault) {
	descriptor, fault := d.descriptor()
	if fault != nil {
		return 0, fault
	}
	return descriptor.Capacity(), nil
}

func (d vmdkFile) descriptor() (*vmdk.Descriptor, types.BaseMethodFault) {
	file, err := os.Open(d.file)
	if err != nil {
		return nil, d.fault(err)
	}
	defer file.Close()
	descriptor, err := vmdk.ParseDescriptor(file)
	return descriptor, d.fault(err)
}

// extend grows the provisioned size; a smaller one is refused, as by ESX.
func (d vmdkFile) extend(bytes int64) types.BaseMethodFault {
	descriptor, fault := d.descriptor()
	if fault != nil {
		return fault
	}
	if len(descriptor.Extent) != 1 || bytes < descriptor.Capacity() {
		return &types.InvalidArgument{InvalidProperty: "capacity"}
	}
	descriptor.Extent[0].Size = bytes / vmdk.SectorSize
	file, err := os.Create(d.file)
	if err != nil {
		return d.fault(err)
	}
	defer file.Close()
	return d.fault(descriptor.Write(file))
}

// destroy removes the disk's bytes.
func (d vmdkFile) destroy() types.BaseMethodFault {
	if err := os.Remove(d.file); err != nil {
		return d.fault(err)
	}
	return d.fault(os.Remove(d.flat()))
}

func (d vmdkFile) fault(err error) types.BaseMethodFault {
	file := types.FileFault{File: d.path}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &types.FileNotFound{FileFault: file}
	case errors.Is(err, fs.ErrExist):
		return &types.FileAlreadyExists{FileFault: file}
	}
	file.FaultMessage = []types.LocalizableMessage{{Key: "file", Message: err.Error()}}
	return &file
}
