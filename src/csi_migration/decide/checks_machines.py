"""Checks of the nodes' VMs."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.checks_nodes import used_nodes
from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.model.finding import Severity
from csi_migration.model.objects import Raw, vm_uuid_of
from csi_migration.model.snapshot import Snapshot

_WARNING = Severity.WARNING
# The driver needs a VM of this version (vsphere-csi-driver: prerequisites.md).
_OLDEST_HARDWARE = 15
_SHOWN = 3
_RIGHTS = "read rights, propagating, on the folder and the cluster that the nodes' VMs are in"


def _unseen(snapshot: Snapshot) -> list[str]:
    """Those of the nodes that run a replica whose VM was not found."""
    return [name for name in used_nodes(snapshot) if name not in snapshot.machines]


def untold(snapshot: Snapshot, what: str) -> Iterator[Problem]:
    """That a check can't tell `what` of the VMs that were not found, in one problem.

    A warning, since `machines-found` is where a person takes that on: once is enough.
    """
    names = _unseen(snapshot)
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield Problem(
            "nodes",
            f"no VM of {', '.join(names[:_SHOWN])}{more} was found, and so not {what}",
            "See machines-found: it says why of each node, and what to do.",
            _WARNING,
            known=False,
        )


@check(
    "machines-found",
    Severity.BLOCKER,
    "the VM of every node that runs a replica was found in vCenter",
    looks_at="providerID and name of the replicas' nodes; uuid and name of all VMs that the "
    "account can see",
    source="cloud-provider-vsphere: spec.providerID; vSphere: System.Read",
    resolution=f"Give the vCenter account {_RIGHTS}.",
)
def machines_found(snapshot: Snapshot) -> Iterator[Problem]:
    """A swap waits until no VM holds the disk. Of a VM that can't be seen nobody can say what it
    holds, and a disk that it holds still looks free.
    """
    for name in _unseen(snapshot):
        message, resolution = _reason(name, (snapshot.nodes or {}).get(name))
        yield unknown(f"node/{name}", message, resolution)


def _reason(name: str, node: Raw | None) -> tuple[str, str]:
    """Why a node's VM was not found, and what to do about it."""
    if node is None:
        message = "the node can't be seen, and so not which VM it is"
        return message, "Grant list nodes."
    if uuid := vm_uuid_of(node):
        return f"no VM with its uuid {uuid} can be seen", ""
    resolution = (
        "Have the vSphere cloud provider set its providerID, or give the VM the node's name; and "
        f"give the vCenter account {_RIGHTS}."
    )
    message = f"it has no providerID vsphere://UUID, and there is not just one VM called {name}"
    return message, resolution


@check(
    "machine-hardware",
    _WARNING,
    "the nodes' VMs have virtual hardware that the driver supports",
    looks_at="config.version of the nodes' VMs",
    source="vsphere-csi-driver: prerequisites.md: version 15 or later",
    resolution="Upgrade the VM's compatibility.",
)
def machine_hardware(snapshot: Snapshot) -> Iterator[Problem]:
    """The driver attaches First Class Disks to VMs of version 15 or later only."""
    for node, machine in sorted(snapshot.machines.items()):
        version = machine.hardware.removeprefix("vmx-")
        if version.isdigit() and int(version) < _OLDEST_HARDWARE:
            yield Problem(f"node/{node}", f"VM {machine.name} has {machine.hardware}")
    yield from untold(snapshot, "its virtual hardware")


@check(
    "machine-disk-uuid",
    _WARNING,
    "the nodes see the uuids of their disks",
    looks_at="extraConfig disk.EnableUUID of the nodes' VMs",
    source="vsphere-csi-driver issues 1416, 943; prerequisites.md",
    resolution="Set disk.EnableUUID to TRUE on the VM; it takes effect when it is powered on.",
)
def machine_disk_uuid(snapshot: Snapshot) -> Iterator[Problem]:
    """The driver's node service finds a disk by its uuid, and without it mounts none."""
    for node, machine in sorted(snapshot.machines.items()):
        if not machine.has_disk_uuid:
            yield Problem(f"node/{node}", f"disk.EnableUUID is not TRUE on VM {machine.name}")
    yield from untold(snapshot, "its disk.EnableUUID")


@check(
    "machine-snapshots",
    Severity.NEEDS_ACCEPTANCE,
    "no node's VM has a snapshot",
    looks_at="snapshot of the nodes' VMs",
    source="vsphere-csi-driver issue 478; Google Distributed Cloud: feature incompatibilities",
    resolution="Delete the VM's snapshots, and keep backups of VMs away from nodes.",
)
def machine_snapshots(snapshot: Snapshot) -> Iterator[Problem]:
    """A disk may not be detached from a VM with a snapshot (Invalid configuration for device
    '0'): the replica would be away until the wait for it is given up and it is undone.
    """
    for node, machine in sorted(snapshot.machines.items()):
        if machine.has_snapshot:
            yield Problem(f"node/{node}", f"its VM {machine.name} has a snapshot")
    yield from untold(snapshot, "its snapshots")
