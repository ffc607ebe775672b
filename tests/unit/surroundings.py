"""What stands around a StatefulSet, fit and unfit, and what the checks tell of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from csi_migration.decide.catalogue import findings
from csi_migration.model.disk import DiskFile
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import (
    DatastoreLook,
    DiskAttachment,
    DiskLook,
    Snapshot,
)
from tests.unit import snapshots
from tests.unit.snapshots import changed

BLOCKER, ACCEPT = Severity.BLOCKER, Severity.NEEDS_ACCEPTANCE
WARNING, NOTE = Severity.WARNING, Severity.NOTE
OF_CLASS = "standard-rwo.storageclass.storage.k8s.io/"
LABELS = "statefulset/metadata/labels"
MARKS = "statefulset/metadata/annotations"
ZONE = "topology.kubernetes.io/zone"


def told(snapshot: Snapshot) -> list[Finding]:
    """What the checks find, but for what passed; dry runs, if any, are those of this very set."""
    if snapshot.dry_runs:
        snapshot = replace(snapshot, dry_runs=(snapshots.accepted(snapshot.statefulset),))
    return [f for f in findings(snapshot) if f.severity is not Severity.PASSED]


def replica_set(selector: Any) -> dict[str, Any]:
    """Another controller of pods, with this selector."""
    return {"metadata": snapshots.metadata("other"), "spec": {"selector": selector}}


def quota(resource: str, hard: str, used: str = "0") -> dict[str, Any]:
    """A quota of the CSI class: so much of a resource, of which so much is used."""
    limits = {OF_CLASS + resource: hard}
    status = {"hard": limits, "used": {OF_CLASS + resource: used}}
    return {"metadata": snapshots.metadata("room"), "spec": {"hard": limits}, "status": status}


def snapshot_of(claim: str, *, ready: bool) -> dict[str, Any]:
    """A snapshot of the claim."""
    spec = {"source": {"persistentVolumeClaimName": claim}}
    return {
        "metadata": snapshots.metadata("s1"),
        "spec": spec,
        "status": {"readyToUse": ready},
    }


def owner(kind: str, group: str) -> dict[str, Any]:
    """An owner of this kind, as an operator leaves it."""
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "name": "own",
        "uid": "u",
        "controller": True,
    }


def budget(**selector: str) -> dict[str, Any]:
    """A disruption budget for pods with these labels."""
    about: dict[str, Any] = snapshots.budget(1)
    return about | {"spec": {"selector": {"matchLabels": selector}}}


STALE_BUDGET = changed(snapshots.budget(1), "metadata/generation", 2)
OTHER_POD = {
    "metadata": snapshots.metadata("else-0", labels=dict(snapshots.LABELS)),
    "spec": {},
}
ENCRYPTED = replace(
    snapshots.look(0), attachments=(DiskAttachment("node-1", encrypted=True, vm_id="vm-1"),)
)
ELSEWHERE = replace(snapshots.look(0), attachments=(DiskAttachment("node-2", vm_id="vm-2"),))
NAMESAKE = replace(snapshots.look(0), attachments=(DiskAttachment("node-1", vm_id="vm-2"),))
NOWHERE = replace(snapshots.look(0), attachments=())
_DISK = snapshots.look(0).disk
UNKEPT = replace(
    snapshots.look(0), disk=replace(_DISK, keep_after_delete_vm=False) if _DISK else _DISK
)
MOVED = DiskLook(recorded_id="fcd-0", problem="no VMDK", moved_to="[other] vm/web.vmdk")
LIKE_AN_ORPHAN = replace(
    snapshots.look(0), disk=replace(_DISK, name="pvc-4f1c") if _DISK else _DISK
)
TRACKED = replace(snapshots.look(0), disk=replace(_DISK, tracks_changes=True) if _DISK else _DISK)


def sized(size: int) -> Any:
    """A look at the first replica's disk, whose file says so many bytes."""
    file = snapshots.look(0).file
    assert isinstance(file, DiskFile)
    return replace(snapshots.look(0), file=replace(file, capacity_bytes=size))


def webhook(effects: str, **more: Any) -> dict[str, Any]:
    """A webhook that sees the creation of pods."""
    rule = {"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}
    one = {"name": "own.shop", "sideEffects": effects, "rules": [rule]} | more
    body = {"metadata": snapshots.metadata("own"), "webhooks": [one]}
    return {"validatingwebhookconfiguration/own": body}


def on_datastore(**state: Any) -> dict[str, DatastoreLook]:
    """The datastore of every disk, in this state."""
    return {"datastore-1": DatastoreLook("ds", **state)}


def features(state: str) -> dict[str, Any]:
    """The driver's feature states, with improved-volume-visibility like this."""
    name = "internal-feature-states.csi.vsphere.vmware.com"
    data = {"trigger-csi-fullsync": "true", "improved-volume-visibility": state}
    return {"vmware-system-csi": {"metadata": snapshots.metadata(name), "data": data}}
