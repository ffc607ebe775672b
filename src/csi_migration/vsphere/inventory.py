"""What vCenter's inventory holds: datacenters, datastores, VMs and their disks.

Everything is fetched through the property collector, many objects a call;
attribute access on pyVmomi's objects would cost one call each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from csi_migration.vsphere._bindings import kind_name, moid, vim, vmodl
from csi_migration.vsphere.errors import PermissionDenied
from csi_migration.vsphere.faults import error_of
from csi_migration.vsphere.session import Session

_PAGE = 500
_SHOWN = 3
_POWER = "runtime.powerState"
_POWERED_OFF = "poweredOff"
_DEVICES = "config.hardware.device"
_UUID = "config.uuid"
_VERSION = "config.version"
_EXTRA = "config.extraConfig"
_DISK_UUID = "disk.enableuuid"
_CHANGED_BLOCKS = "config.changeTrackingEnabled"
_SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Properties:
    """One object's fetched properties; unset ones are absent from `values`."""

    id: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Datacenter:
    """`path` is the inventory path with its folders: `/Production/DC0`."""

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore as one datacenter sees it.

    Attributes:
        id: managed object id (`datastore-42`).
        datacenter: the datacenter's inventory path.
        datacenter_id: its managed object id.
        url: the same for every datacenter that mounts the same storage.
        kind: the file system's type (`VMFS`, `vsan`, `NFS`).
    """

    id: str
    name: str
    datacenter: str
    datacenter_id: str
    url: str
    kind: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A virtual disk device of a VM.

    Attributes:
        vm: the VM's name.
        file: its backing file, as vCenter writes it (`[ds] folder/disk.vmdk`).
        sharing: `sharingNone`, `sharingMultiWriter`, or empty if the backing
            knows no sharing.
        disk_mode: `independent_persistent`, `persistent`, ...
        parent: the file that this one is a delta of; empty if it is none.
        ancestors: `parent` and everything below it.
        uuid: the disk's own (page 83) uuid; empty if vCenter does not say.
        disk_id: the FCD id, if it was attached as one.
        flat: whether the backing is a plain VMDK, no RDM and nothing exotic.
        encrypted: whether the backing names an encryption key.
        vm_id: the VM's managed object id (`vm-42`).
    """

    vm: str
    file: str
    sharing: str
    disk_mode: str
    parent: str
    ancestors: tuple[str, ...]
    uuid: str
    disk_id: str
    flat: bool
    encrypted: bool = False
    vm_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeMachine:
    """A VM that a Kubernetes node may run on.

    Attributes:
        id: its managed object id (`vm-42`).
        hardware: its virtual hardware's version (`vmx-19`); empty if vCenter does not say.
        tracks_changes: whether changed-block tracking is on.
        has_snapshot: whether the VM has a snapshot.
    """

    id: str
    name: str
    hardware: str
    tracks_changes: bool = False
    has_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """What VMs hold at one moment.

    Attributes:
        attachments: every virtual disk of every VM whose devices can be read.
        unreadable: names of the VMs that may hold any disk, for all that
            vCenter can say.
        machines: every VM that has a configuration to read, by its BIOS uuid,
            which Kubernetes knows its nodes by (cloud-provider-vsphere:
            `vsphere://UUID` in a node's providerID).
    """

    attachments: tuple[Attachment, ...]
    unreadable: tuple[str, ...]
    machines: Mapping[str, NodeMachine] = field(default_factory=dict)

    def machine_of(self, node: str, uuid: str) -> NodeMachine | None:
        """A node's VM by its uuid, or the only VM of the node's name: one that says nothing
        of its VM mostly bears it.
        """
        if found := self.machines.get(uuid):
            return found
        named = [machine for machine in self.machines.values() if machine.name == node]
        return named[0] if len(named) == 1 else None


def properties(
    session: Session, kind: Any, names: list[str], container: Any = None
) -> list[Properties]:
    """Fetch properties of every object of a type below `container` (all by default).

    Raises:
        PermissionDenied: one of them exists but the user must not read it.
    """
    return session.read(
        lambda: list(_walk(session, kind, names, container)),
        method="RetrievePropertiesEx",
        subject=f"every {kind_name(kind)}",
    )


def properties_of_all(session: Session, things: list[Any], names: list[str]) -> list[Properties]:
    """Fetch properties of managed objects of one type, many a call."""
    if not things:
        return []
    return session.read(
        lambda: list(_pages(session, _filter(things, type(things[0]), names, []))),
        method="RetrievePropertiesEx",
        subject=", ".join(map(moid, things[:_SHOWN])),
    )


def properties_of(session: Session, thing: Any, names: list[str]) -> dict[str, Any]:
    """Fetch properties of one managed object."""
    return session.read(
        lambda: next(_pages(session, _filter([thing], type(thing), names, []))).values,
        method="RetrievePropertiesEx",
        subject=moid(thing),
    )


def datacenters(session: Session) -> list[Datacenter]:
    """Every datacenter that the user can see."""
    folders = properties(session, vim.Folder, ["name", "parent"])
    centers = properties(session, vim.Datacenter, ["name", "parent"])
    nodes = {each.id: each.values for each in (*folders, *centers)}
    root = moid(session.content.rootFolder)
    return [Datacenter(each.id, _path(each.id, root, nodes)) for each in centers]


def datastores(session: Session) -> list[Datastore]:
    """Every datastore of every datacenter that the user can see."""
    return [
        Datastore(
            id=each.id,
            name=each.values["name"],
            datacenter=center.path,
            datacenter_id=center.id,
            url=summary.url,
            kind=summary.type or "",
        )
        for center in datacenters(session)
        for each in properties(
            session,
            vim.Datastore,
            ["name", "summary"],
            session.managed(vim.Datacenter, center.id),
        )
        for summary in [each.values["summary"]]
    ]


def hardware(session: Session) -> Hardware:
    """The virtual disks of every VM that the user can see, in one walk.

    A VM that is inaccessible, orphaned or invalid has no configuration to read,
    which is not the same as no disks. It is `unreadable` unless it is powered
    off: what runs, is suspended or in a state that vCenter does not know may
    write at any moment. A powered-off one can't, nor can it be powered on
    unread; with it left out, the templates and orphans that large inventories
    collect over the years stand in nobody's way.
    """
    wanted = ["name", _POWER, _DEVICES, _UUID, _VERSION, _CHANGED_BLOCKS, _SNAPSHOT]
    # Page by page: the devices of thousands of VMs would fill the memory.
    return session.read(
        lambda: hardware_of(_walk(session, vim.VirtualMachine, wanted, None)),
        method="RetrievePropertiesEx",
        subject="every VirtualMachine",
    )


def seeing_uuids(session: Session, ids: Iterable[str]) -> frozenset[str]:
    """Those of the VMs that have disk.EnableUUID on, so that their guests see disks' uuids."""
    things = [session.managed(vim.VirtualMachine, each) for each in ids]
    found = properties_of_all(session, things, [_EXTRA])
    return frozenset(each.id for each in found if _sees_uuids(each))


def _sees_uuids(machine: Properties) -> bool:
    options = machine.values.get(_EXTRA) or ()
    return any(
        each.key.lower() == _DISK_UUID and str(each.value).upper() in ("TRUE", "1")
        for each in options
    )


def hardware_of(machines: Iterable[Properties]) -> Hardware:
    """What the VMs' fetched properties say."""
    attachments: list[Attachment] = []
    unreadable: list[str] = []
    nodes: dict[str, NodeMachine] = {}
    for machine in machines:
        attachments += _attachments(machine)
        if _may_hold_unseen(machine):
            unreadable.append(_name(machine))
        uuid = str(machine.values.get(_UUID) or "").lower()
        # A replica for disaster recovery bears the uuid of the VM that runs.
        if uuid and (uuid not in nodes or machine.values.get(_POWER) != _POWERED_OFF):
            nodes[uuid] = _node_machine(machine)
    return Hardware(tuple(attachments), tuple(unreadable), nodes)


def _node_machine(machine: Properties) -> NodeMachine:
    return NodeMachine(
        id=machine.id,
        name=_name(machine),
        hardware=str(machine.values.get(_VERSION) or ""),
        tracks_changes=bool(machine.values.get(_CHANGED_BLOCKS)),
        has_snapshot=machine.values.get(_SNAPSHOT) is not None,
    )


def _attachments(machine: Properties) -> Iterator[Attachment]:
    for device in machine.values.get(_DEVICES, ()):
        if isinstance(device, vim.vm.device.VirtualDisk):
            yield _attachment(machine, device)


def _may_hold_unseen(machine: Properties) -> bool:
    return _DEVICES not in machine.values and machine.values.get(_POWER) != _POWERED_OFF


def _name(machine: Properties) -> str:
    return str(machine.values.get("name") or machine.id)


def _attachment(machine: Properties, device: Any) -> Attachment:
    disk, backing = vim.vm.device.VirtualDisk, device.backing
    ancestors = tuple(_ancestors(backing))
    return Attachment(
        vm=_name(machine),
        vm_id=machine.id,
        file=getattr(backing, "fileName", None) or "",
        sharing=getattr(backing, "sharing", None) or "",
        disk_mode=getattr(backing, "diskMode", None) or "",
        parent=ancestors[0] if ancestors else "",
        ancestors=ancestors,
        uuid=getattr(backing, "uuid", None) or "",
        disk_id=device.vDiskId.id if device.vDiskId else "",
        flat=isinstance(backing, (disk.FlatVer2BackingInfo, disk.SeSparseBackingInfo)),
        encrypted=getattr(backing, "keyId", None) is not None,
    )


def _ancestors(backing: Any) -> Iterator[str]:
    # Raw and other special backings have no parent.
    while (backing := getattr(backing, "parent", None)) is not None:
        yield backing.fileName


def _path(at: str, root: str, nodes: dict[str, dict[str, Any]]) -> str:
    names: list[str] = []
    while at != root:  # which is not part of inventory paths
        if "parent" not in nodes.get(at, {}):
            raise PermissionDenied(
                f"folder {at} of a datacenter cannot be read",
                privilege="System.Read",
                entity=f"Folder:{at}",
            )
        names.insert(0, nodes[at]["name"])
        at = moid(nodes[at]["parent"])
    return "/" + "/".join(names)


def _walk(session: Session, kind: Any, names: list[str], container: Any) -> Iterator[Properties]:
    root = container or session.content.rootFolder
    view = session.content.viewManager.CreateContainerView(root, [kind], recursive=True)
    try:
        select = [
            vmodl.query.PropertyCollector.TraversalSpec(
                name="view", type=vim.view.ContainerView, path="view", skip=False
            )
        ]
        yield from _pages(session, _filter([view], kind, names, select))
    finally:
        view.DestroyView()


def _filter(roots: list[Any], kind: Any, names: list[str], select: list[Any]) -> Any:
    collector = vmodl.query.PropertyCollector
    return collector.FilterSpec(
        objectSet=[
            collector.ObjectSpec(obj=root, skip=bool(select), selectSet=select) for root in roots
        ],
        propSet=[collector.PropertySpec(type=kind, pathSet=names, all=False)],
    )


def _pages(session: Session, spec: Any) -> Iterator[Properties]:
    collector = session.content.propertyCollector
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=_PAGE)
    page = collector.RetrievePropertiesEx([spec], options)
    while page is not None:
        yield from map(_readable, page.objects)
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None


def _readable(found: Any) -> Properties:
    name = moid(found.obj)
    for missing in found.missingSet:
        if isinstance(missing.fault, vim.fault.NoPermission):
            raise error_of(missing.fault, f"reading {missing.path} of {name}")
    return Properties(name, {each.name: each.val for each in found.propSet})
