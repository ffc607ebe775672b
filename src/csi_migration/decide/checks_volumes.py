"""Checks of the PersistentVolumes."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.manifests import new_volume_name
from csi_migration.decide.preflight import Problem, check
from csi_migration.model.disk import DiskPath
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    CSI_DRIVER,
    Raw,
    claim_name,
    claim_templates_of,
    class_of,
    finalizers_of,
    is_in_tree,
    name_of,
    ordinals_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING


_ALREADY_CSI = (
    "It needs no migration. If only a part of the set is on CSI volumes, an earlier run was "
    "not finished: its working directory says how to go on."
)


_OTHER_KIND = "Only in-tree vSphere volumes can be migrated."


# These go by themselves: the first when nothing uses the object, the deletion
# protection as soon as the policy is Retain, the attacher's with the attachment.
_CLAIM_FINALIZERS = frozenset({"kubernetes.io/pvc-protection"})


_VOLUME_FINALIZERS = frozenset(
    {
        "kubernetes.io/pv-protection",
        "kubernetes.io/pv-controller",
        "external-provisioner.volume.kubernetes.io/finalizer",
        "external-attacher/csi-vsphere-vmware-com",
    }
)


def claims_by_ordinal(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Every ordinal and the names of the claims that its replica must have."""
    templates = [name_of(template) for template in claim_templates_of(snapshot.statefulset)]
    for ordinal in ordinals_of(snapshot.statefulset):
        for template in templates:
            yield ordinal, claim_name(template, snapshot.request.statefulset, ordinal)


def volume_of(snapshot: Snapshot, claim: Raw) -> Raw | None:
    """The volume that the claim names."""
    return snapshot.volumes.get(claim["spec"].get("volumeName", ""))


def pairs(snapshot: Snapshot) -> Iterator[tuple[Raw, Raw]]:
    """Every claim of a replica that has a volume, and that volume."""
    for _, name in claims_by_ordinal(snapshot):
        claim = snapshot.claims.get(name)
        volume = volume_of(snapshot, claim) if claim else None
        if claim and volume:
            yield claim, volume


def in_tree_pairs(snapshot: Snapshot) -> Iterator[tuple[Raw, Raw]]:
    """Those whose volume is an in-tree vSphere volume."""
    return (pair for pair in pairs(snapshot) if is_in_tree(pair[1]))


@check(
    "volumes-in-tree",
    _BLOCKER,
    "every volume is an in-tree vSphere volume",
    looks_at="spec.vsphereVolume of every claim's volume",
    source="vsphere-csi-driver: vsphere_csi_migration.md",
    resolution=_OTHER_KIND,
)
def volumes_in_tree(snapshot: Snapshot) -> Iterator[Problem]:
    """Only the spec tells: annotations name the CSI driver on in-tree volumes too."""
    for _, volume in pairs(snapshot):
        if not is_in_tree(volume):
            is_csi = bool(volume["spec"].get("csi"))
            kind = "already a CSI volume" if is_csi else "of another kind"
            resolution = _ALREADY_CSI if is_csi else _OTHER_KIND
            yield Problem(f"pv/{name_of(volume)}", f"it is {kind}", resolution)


@check(
    "volumes-class",
    Severity.NEEDS_ACCEPTANCE,
    "every in-tree volume and its claim are of the class given",
    looks_at="the class of every in-tree volume and its claim",
    source="the flags' meaning",
    resolution="Check --intree-storageclass. Accepted, all of the set's in-tree volumes move to "
    "the CSI class, whatever their class was.",
)
def volumes_class(snapshot: Snapshot) -> Iterator[Problem]:
    """Another class may have been chosen for a reason that the CSI class does not know, or
    another set was meant. A set moves as a whole: its templates get one class.
    """
    for claim, volume in in_tree_pairs(snapshot):
        for item, kind in ((volume, "pv"), (claim, "pvc")):
            if class_of(item) != snapshot.request.intree_class:
                yield Problem(
                    f"{kind}/{name_of(item)}",
                    f"its class is {class_of(item) or '<none>'}, "
                    f"not {snapshot.request.intree_class}",
                )


@check(
    "volume-phase",
    _BLOCKER,
    "no volume was given up by its controller",
    looks_at="status.phase of every claim's volume",
    source="kubernetes: persistentvolume/pv_controller.go:syncVolume",
    resolution="Find out why in its status and events, and repair it first.",
)
def volume_phase(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume that is Released or Failed was lost to its claim once: its reclaiming may be
    under way, which takes the disk away.
    """
    for _, volume in pairs(snapshot):
        status = volume.get("status") or {}
        if status.get("phase") in ("Released", "Failed"):
            why = f": {status['message']}" if status.get("message") else ""
            yield Problem(f"pv/{name_of(volume)}", f"it is {status['phase']}{why}")


@check(
    "volume-paths",
    _BLOCKER,
    "every volume names its disk by a datastore path, once",
    looks_at="paths and handles of all PersistentVolumes; inline volumes of the namespace's pods",
    source="vsphere-csi-driver: metadatasyncer.go:csiPVDeleted",
    resolution="Remove the other user of the disk first.",
)
def volume_paths(snapshot: Snapshot) -> Iterator[Problem]:
    """Two volumes on one disk: deleting one takes the disk from the other.

    Another volume may name the disk by its path or, as a CSI volume, by its FCD
    id. Pods with an inline vsphereVolume are seen in the set's namespace only:
    to see those of all others would take the right to list every pod there is.
    """
    by_path, by_disk = _users_by_path(snapshot), _users_by_disk(snapshot)
    for claim, volume in in_tree_pairs(snapshot):
        subject, text = f"pv/{name_of(volume)}", volume["spec"]["vsphereVolume"]["volumePath"]
        try:
            path = DiskPath.parse(text)
        except ValueError as error:
            yield Problem(subject, str(error), "Repair the volume first.")
            continue
        users = by_path[path].union(
            by_path.get(_located(snapshot, claim) or path, ()),
            *(by_disk.get(id_, ()) for id_ in _ids(snapshot, claim)),
        )
        others = sorted(users - {subject})
        if others:
            yield Problem(
                subject,
                f"its disk {path} is also used by {', '.join(others)}",
                "Remove the other user of the disk first.",
            )


def _located(snapshot: Snapshot, claim: Raw) -> DiskPath | None:
    """The path under the folder's own name, which another volume may use (vSAN)."""
    look = snapshot.disks.get(name_of(claim))
    return look.file.path if look and look.file else None


def _ids(snapshot: Snapshot, claim: Raw) -> set[str]:
    """The FCD ids that vCenter's catalog and the driver's record give the claim's disk."""
    look = snapshot.disks.get(name_of(claim))
    return {look.recorded_id, look.disk.id if look.disk else ""} - {""} if look else set()


def _users_by_disk(snapshot: Snapshot) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {}
    for volume in snapshot.volumes.values():
        source = volume["spec"].get("csi") or {}
        if source.get("driver") == CSI_DRIVER:
            users.setdefault(source["volumeHandle"], set()).add(f"pv/{name_of(volume)}")
    return users


def _users_by_path(snapshot: Snapshot) -> dict[DiskPath, set[str]]:
    users: dict[DiskPath, set[str]] = {}
    for volume in snapshot.volumes.values():
        _note_user(users, volume["spec"].get("vsphereVolume"), f"pv/{name_of(volume)}")
    for pod in snapshot.namespace_pods:
        for inline in pod["spec"].get("volumes") or []:
            _note_user(users, inline.get("vsphereVolume"), f"pod/{name_of(pod)}")
    return users


def _note_user(users: dict[DiskPath, set[str]], source: Raw | None, user: str) -> None:
    if source:
        try:
            users.setdefault(DiskPath.parse(source["volumePath"]), set()).add(user)
        except ValueError:
            return  # not this set's volume, or reported by volume_paths itself


@check(
    "volume-finalizers",
    _BLOCKER,
    "nothing holds claims and volumes back from their deletion",
    looks_at="finalizers of every claim and volume",
    source="kubernetes: registry/generic/registry/store.go:Delete",
    resolution="Find out who set it and have it removed.",
)
def volume_finalizers(snapshot: Snapshot) -> Iterator[Problem]:
    """A finalizer of somebody else would strand a replica between two volumes."""
    for claim, volume in in_tree_pairs(snapshot):
        for item, kind, known in (
            (claim, "pvc", _CLAIM_FINALIZERS),
            (volume, "pv", _VOLUME_FINALIZERS),
        ):
            for finalizer in finalizers_of(item):
                if finalizer not in known:
                    yield Problem(
                        f"{kind}/{name_of(item)}",
                        f"finalizer {finalizer} would keep it from going away",
                        "Find out who set it and have it removed.",
                    )


@check(
    "reclaim-policy",
    _WARNING,
    "every volume's reclaim policy is one that CSI volumes have",
    looks_at="persistentVolumeReclaimPolicy of every volume",
    source="kubernetes: persistentvolume/recycler",
    resolution="The new volume gets Retain; set Delete on it afterwards if you want that.",
)
def reclaim_policy(snapshot: Snapshot) -> Iterator[Problem]:
    """No CSI volume can be recycled (kubernetes: persistentvolume/recycler)."""
    for _, volume in in_tree_pairs(snapshot):
        if volume["spec"].get("persistentVolumeReclaimPolicy") == "Recycle":
            yield Problem(
                f"pv/{name_of(volume)}",
                "its reclaim policy is Recycle, which CSI volumes can't have",
                "The new volume gets Retain; set Delete on it afterwards if you want that.",
            )


@check(
    "volume-names",
    _BLOCKER,
    "the names of the volumes to come are free",
    looks_at="all PersistentVolumes",
    source="names of the volumes to come: the old name and -csi",
    resolution="Find out who made it and remove it if nothing needs it.",
)
def volume_names(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume left by somebody else must not be taken for ours."""
    for _, volume in in_tree_pairs(snapshot):
        name = new_volume_name(volume)
        if name in snapshot.volumes:
            yield Problem(
                f"pv/{name}",
                f"it exists already; the volume after {name_of(volume)} would have this name",
                "Find out who made it and remove it if nothing needs it.",
            )


def csi_topology_keys(snapshot: Snapshot) -> set[str]:
    """The topology keys that the CSI driver reports on the replicas' nodes."""
    drivers = (driver_on(node) for node in snapshot.csi_nodes.values())
    return {key for driver in drivers if driver for key in driver.get("topologyKeys") or []}


def driver_on(csi_node: Raw) -> Raw | None:
    """What the CSI driver registered on the node; None if it is not there."""
    drivers = csi_node["spec"].get("drivers") or []
    return next((driver for driver in drivers if driver["name"] == CSI_DRIVER), None)
