package vcenter

import (
	"crypto/subtle"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (v *VCenter) validLogin(req *types.Login) bool {
	user, known := v.config.user(req.UserName)
	return known && subtle.ConstantTimeCompare([]byte(user.Password), []byte(req.Password)) == 1
}

type authorizationManager struct {
	*simulator.AuthorizationManager

	vcenter *VCenter
}

func (v *VCenter) putAuthorizationManager() {
	ref := *v.model.ServiceContent.AuthorizationManager
	v.registry.Put(&authorizationManager{v.registry.Get(ref).(*simulator.AuthorizationManager), v})
}

// HasPrivilegeOnEntities answers for the caller's own session.
func (m *authorizationManager) HasPrivilegeOnEntities(ctx *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	if req.SessionId != ctx.Session.Key {
		return &methods.HasPrivilegeOnEntitiesBody{Fault_: invalidArgument("sessionId")}
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: &types.HasPrivilegeOnEntitiesResponse{
		Returnval: m.availability(ctx.Session.UserName, req.Entity, req.PrivId),
	}}
}

// HasPrivilegeOnEntity answers for the caller's own session.
func (m *authorizationManager) HasPrivilegeOnEntity(ctx *simulator.Context, req *types.HasPrivilegeOnEntity) soap.HasFault {
	if req.SessionId != ctx.Session.Key {
		return &methods.HasPrivilegeOnEntityBody{Fault_: invalidArgument("sessionId")}
	}
	user, _ := m.vcenter.config.user(ctx.Session.UserName)
	res := &types.HasPrivilegeOnEntityResponse{}
	for _, privilege := range req.PrivId {
		res.Returnval = append(res.Returnval, user.holds(privilege))
	}
	return &methods.HasPrivilegeOnEntityBody{Res: res}
}

// HasUserPrivilegeOnEntities answers for any account; an unknown one holds nothing.
func (m *authorizationManager) HasUserPrivilegeOnEntities(req *types.HasUserPrivilegeOnEntities) soap.HasFault {
	return &methods.HasUserPrivilegeOnEntitiesBody{Res: &types.HasUserPrivilegeOnEntitiesResponse{
		Returnval: m.availability(req.UserName, req.Entities, req.PrivId),
	}}
}

// FetchUserPrivilegeOnEntities lists what an account holds; an unknown one holds nothing.
func (m *authorizationManager) FetchUserPrivilegeOnEntities(req *types.FetchUserPrivilegeOnEntities) soap.HasFault {
	user, _ := m.vcenter.config.user(req.UserName)
	res := &types.FetchUserPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entities {
		res.Returnval = append(res.Returnval, types.UserPrivilegeResult{Entity: entity, Privileges: m.privileges(user)})
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: res}
}

func (m *authorizationManager) availability(name string, entities []types.ManagedObjectReference, ids []string) []types.EntityPrivilege {
	user, _ := m.vcenter.config.user(name)
	var granted []types.PrivilegeAvailability
	for _, id := range ids {
		granted = append(granted, types.PrivilegeAvailability{PrivId: id, IsGranted: user.holds(id)})
	}
	var all []types.EntityPrivilege
	for _, entity := range entities {
		all = append(all, types.EntityPrivilege{Entity: entity, PrivAvailability: granted})
	}
	return all
}

func (m *authorizationManager) privileges(user User) []string {
	if user.Role != "Admin" {
		return user.Privileges
	}
	all := object.AuthorizationRoleList(m.RoleList).ByName("Admin").Privilege
	// The simulator's list of privileges is older than CNS.
	return append(all[:len(all):len(all)], cnsSearchable, "StorageProfile.View")
}

func invalidArgument(property string) *soap.Fault {
	return simulator.Fault("A specified parameter was not correct: "+property,
		&types.InvalidArgument{InvalidProperty: property})
}
