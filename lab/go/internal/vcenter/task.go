package vcenter

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// outcome is what an operation returns and which disks' bytes it removed, each
// as a datastore path.
type outcome struct {
	result    any
	destroyed []string
	fault     types.BaseMethodFault
}

func failed(fault types.BaseMethodFault) outcome { return outcome{fault: fault} }

// run starts a task on entity and returns it. The entity is locked while the
// operation runs, with the context that the operation is given.
func (v *VCenter) run(ctx *simulator.Context, entity mo.Reference, name string, operation func(*simulator.Context) outcome) types.ManagedObjectReference {
	ctx = ctx.For(vim25.Path)
	task := simulator.CreateTask(entity, name, func(t *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		done := operation(ctx)
		v.save()
		v.catalog.noteDestroyed(t.Self, done.destroyed)
		return done.result, done.fault
	})
	task.Info.Reason = &types.TaskReasonUser{UserName: ctx.Session.UserName}
	return task.Run(ctx)
}

// root is the entity of tasks that belong to no VM.
func (v *VCenter) root() types.ManagedObjectReference {
	return v.model.ServiceContent.RootFolder
}

// taskEntity corrects tasks that the simulator runs on a manager: TaskInfo.entity
// is a ManagedEntity, and pyVmomi refuses a TaskInfo with anything else.
type taskEntity struct {
	root types.ManagedObjectReference
}

var managedEntities = []string{
	"ClusterComputeResource", "Datacenter", "Datastore", "Folder", "HostSystem", "Network", "ResourcePool", "VirtualMachine",
}

// Reference names the handler in the registry.
func (taskEntity) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "TaskEntity", Value: "task-entity"}
}

// PutObject corrects a new task.
func (e taskEntity) PutObject(_ *simulator.Context, object mo.Reference) {
	task, ok := object.(*simulator.Task)
	if ok && !slices.Contains(managedEntities, task.Info.Entity.Type) {
		task.Info.Entity, task.Info.EntityName = &e.root, "Datacenters"
	}
}

// UpdateObject has nothing to correct.
func (taskEntity) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) {}

// RemoveObject has nothing to correct.
func (taskEntity) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}
