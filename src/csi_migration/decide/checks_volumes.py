"""Checks of classes, claims, volumes, attachments and nodes."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.manifests import new_volume_name
from csi_migration.decide.preflight import Problem, check
from csi_migration.decide.topology import UnknownTopology, csi_node_affinity
from csi_migration.model.disk import DiskPath
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    CSI_DRIVER,
    IN_TREE_PROVISIONER,
    Raw,
    annotations_of,
    claim_name,
    claim_templates_of,
    class_of,
    finalizers_of,
    is_terminating,
    name_of,
    ordinals_of,
)
from csi_migration.model.quantity import parse_quantity
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
_MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins"


def claims_by_ordinal(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Every ordinal and the names of the claims that its replica must have."""
    templates = [name_of(template) for template in claim_templates_of(snapshot.statefulset)]
    for ordinal in ordinals_of(snapshot.statefulset):
        for template in templates:
            yield ordinal, claim_name(template, snapshot.request.statefulset, ordinal)


def volume_of(snapshot: Snapshot, claim: Raw) -> Raw | None:
    """The volume that the claim names."""
    return snapshot.volumes.get(claim["spec"].get("volumeName", ""))


def _pairs(snapshot: Snapshot) -> Iterator[tuple[Raw, Raw]]:
    for _, name in claims_by_ordinal(snapshot):
        claim = snapshot.claims.get(name)
        volume = volume_of(snapshot, claim) if claim else None
        if claim and volume:
            yield claim, volume


def _in_tree_pairs(snapshot: Snapshot) -> Iterator[tuple[Raw, Raw]]:
    return (pair for pair in _pairs(snapshot) if pair[1]["spec"].get("vsphereVolume"))


@check("classes", _BLOCKER, "both StorageClasses exist and are of the right provisioners")
def classes(snapshot: Snapshot) -> Iterator[Problem]:
    """Swapped or misspelt classes would make volumes of the wrong kind."""
    request = snapshot.request
    yield from _class_problem(snapshot, request.intree_class, IN_TREE_PROVISIONER, "intree")
    yield from _class_problem(snapshot, request.csi_class, CSI_DRIVER, "csi")


def _class_problem(snapshot: Snapshot, name: str, wanted: str, flag: str) -> Iterator[Problem]:
    found = snapshot.classes.get(name)
    subject = f"storageclass/{name}"
    if found is None:
        yield Problem(subject, "it does not exist", f"Check --{flag}-storageclass.")
    elif found["provisioner"] != wanted:
        message = f"its provisioner is {found['provisioner']}, not {wanted}"
        yield Problem(subject, message, f"Check --{flag}-storageclass.")


@check("claim-templates", _BLOCKER, "the set has claim templates")
def claim_templates(snapshot: Snapshot) -> Iterator[Problem]:
    """Without templates there is nothing to migrate."""
    if not claim_templates_of(snapshot.statefulset):
        subject = f"statefulset/{snapshot.request.statefulset}"
        yield Problem(subject, "it has no volumeClaimTemplates", "There is nothing to migrate.")


@check("claims-bound", _BLOCKER, "every replica has all its claims, Bound both ways")
def claims_bound(snapshot: Snapshot) -> Iterator[Problem]:
    """Claim and volume must name each other, or one of them is somebody else's."""
    for _, name in claims_by_ordinal(snapshot):
        claim = snapshot.claims.get(name)
        for message in _binding_problems(snapshot, claim):
            yield Problem(f"pvc/{name}", message, "Repair the binding first.")


def _binding_problems(snapshot: Snapshot, claim: Raw | None) -> Iterator[str]:
    if claim is None:
        yield "it does not exist"
        return
    phase = claim.get("status", {}).get("phase")
    if phase != "Bound":
        yield f"it is {phase}, not Bound"
        return
    volume = volume_of(snapshot, claim)
    if volume is None:
        yield f"its volume {claim['spec'].get('volumeName')} does not exist"
    elif (volume["spec"].get("claimRef") or {}).get("uid") != claim["metadata"]["uid"]:
        yield f"its volume {name_of(volume)} refers to another claim"
    if is_terminating(claim) or (volume and is_terminating(volume)):
        yield "the claim or its volume is being deleted"


@check("volumes-in-tree", _BLOCKER, "every volume is an in-tree vSphere volume of the class given")
def volumes_in_tree(snapshot: Snapshot) -> Iterator[Problem]:
    """Only the spec tells: annotations name the CSI driver on in-tree volumes too."""
    for claim, volume in _pairs(snapshot):
        subject = f"pv/{name_of(volume)}"
        if not volume["spec"].get("vsphereVolume"):
            is_csi = bool(volume["spec"].get("csi"))
            kind = "already a CSI volume" if is_csi else "of another kind"
            yield Problem(subject, f"it is {kind}", _ALREADY_CSI if is_csi else _OTHER_KIND)
            continue
        for item, kind in ((volume, "pv"), (claim, "pvc")):
            if class_of(item) != snapshot.request.intree_class:
                yield Problem(
                    f"{kind}/{name_of(item)}",
                    f"its class is {class_of(item) or '<none>'}, "
                    f"not {snapshot.request.intree_class}",
                    "Check --intree-storageclass.",
                )


@check("volume-paths", _BLOCKER, "every volume names its disk by a datastore path, once")
def volume_paths(snapshot: Snapshot) -> Iterator[Problem]:
    """Two volumes on one disk: deleting one takes the disk from the other.

    Another volume may name the disk by its path or, as a CSI volume, by its FCD
    id. Pods with an inline vsphereVolume are seen in the set's namespace only:
    to see those of all others would take the right to list every pod there is.
    """
    by_path, by_disk = _users_by_path(snapshot), _users_by_disk(snapshot)
    for claim, volume in _in_tree_pairs(snapshot):
        subject, text = f"pv/{name_of(volume)}", volume["spec"]["vsphereVolume"]["volumePath"]
        try:
            path = DiskPath.parse(text)
        except ValueError as error:
            yield Problem(subject, str(error), "Repair the volume first.")
            continue
        users = by_path[path].union(*(by_disk.get(id_, ()) for id_ in _ids(snapshot, claim)))
        others = sorted(users - {subject})
        if others:
            yield Problem(
                subject,
                f"its disk {path} is also used by {', '.join(others)}",
                "Remove the other user of the disk first.",
            )


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


@check("claims-unshared", _BLOCKER, "no other pod uses a claim of the set")
def claims_unshared(snapshot: Snapshot) -> Iterator[Problem]:
    """A claim in use by another pod is never let go (pvc-protection)."""
    own = {name: f"{snapshot.request.statefulset}-{o}" for o, name in claims_by_ordinal(snapshot)}
    for pod in snapshot.namespace_pods:
        for used in pod["spec"].get("volumes") or []:
            name = (used.get("persistentVolumeClaim") or {}).get("claimName", "")
            if own.get(name, name_of(pod)) != name_of(pod):
                message = f"pod {name_of(pod)} uses it too"
                yield Problem(f"pvc/{name}", message, "End the other pod first.")


@check("claims-settled", _BLOCKER, "no claim is being resized or modified")
def claims_settled(snapshot: Snapshot) -> Iterator[Problem]:
    """A new claim forgets a resize that its predecessor was in the middle of."""
    for claim, volume in _pairs(snapshot):
        status = claim.get("status", {})
        pending = [c["type"] for c in status.get("conditions") or [] if c["status"] == "True"]
        if pending or status.get("allocatedResourceStatuses"):
            message = f"it is in the middle of a change: {', '.join(pending) or 'resizing'}"
            yield Problem(f"pvc/{name_of(claim)}", message, "Wait until it is done.")
        elif message := _size_problem(claim, volume):
            yield Problem(f"pvc/{name_of(claim)}", message, "Finish the resize first.")


def _size_problem(claim: Raw, volume: Raw) -> str:
    """A claim may have got more than it asked for, but not less."""
    asked = claim["spec"]["resources"]["requests"]["storage"]
    size = volume["spec"]["capacity"]["storage"]
    given = (claim.get("status", {}).get("capacity") or {}).get("storage", size)
    if parse_quantity(asked) > parse_quantity(given):
        return f"it asks for {asked} and has {given}"
    if parse_quantity(given) != parse_quantity(size):
        return f"it has {given} and its volume {size}"
    return ""


@check("volume-finalizers", _BLOCKER, "nothing holds claims and volumes back from their deletion")
def volume_finalizers(snapshot: Snapshot) -> Iterator[Problem]:
    """A finalizer of somebody else would strand a replica between two volumes."""
    for claim, volume in _in_tree_pairs(snapshot):
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


@check("reclaim-policy", _WARNING, "every volume's reclaim policy is one that CSI volumes have")
def reclaim_policy(snapshot: Snapshot) -> Iterator[Problem]:
    """No CSI volume can be recycled (kubernetes: persistentvolume/recycler)."""
    for _, volume in _in_tree_pairs(snapshot):
        if volume["spec"].get("persistentVolumeReclaimPolicy") == "Recycle":
            yield Problem(
                f"pv/{name_of(volume)}",
                "its reclaim policy is Recycle, which CSI volumes can't have",
                "The new volume gets Retain; set Delete on it afterwards if you want that.",
            )


@check("volume-names", _BLOCKER, "the names of the volumes to come are free")
def volume_names(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume left by somebody else must not be taken for ours."""
    for _, volume in _in_tree_pairs(snapshot):
        name = new_volume_name(volume)
        if name in snapshot.volumes:
            yield Problem(
                f"pv/{name}",
                f"it exists already; the volume after {name_of(volume)} would have this name",
                "Find out who made it and remove it if nothing needs it.",
            )


@check("topology", _BLOCKER, "zones and regions of the volumes have CSI topology keys")
def topology(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume whose zone the driver does not know could be scheduled nowhere."""
    keys = csi_topology_keys(snapshot)
    for _, volume in _in_tree_pairs(snapshot):
        try:
            csi_node_affinity(volume, keys)
        except UnknownTopology as error:
            resolution = "Configure the driver's topology categories."
            yield Problem(f"pv/{name_of(volume)}", str(error), resolution)


def csi_topology_keys(snapshot: Snapshot) -> set[str]:
    """The topology keys that the CSI driver reports on the replicas' nodes."""
    drivers = (_driver_on(node) for node in snapshot.csi_nodes.values())
    return {key for driver in drivers if driver for key in driver.get("topologyKeys") or []}


def _driver_on(csi_node: Raw) -> Raw | None:
    drivers = csi_node["spec"].get("drivers") or []
    return next((driver for driver in drivers if driver["name"] == CSI_DRIVER), None)


@check("driver-on-nodes", _BLOCKER, "the CSI driver runs on every node that runs a replica")
def driver_on_nodes(snapshot: Snapshot) -> Iterator[Problem]:
    """Without the driver on its node a replica never starts on a CSI volume."""
    used = {pod["spec"].get("nodeName", "") for pod in snapshot.pods.values()} - {""}
    for node in sorted(used):
        csi_node = snapshot.csi_nodes.get(node)
        if csi_node is None or _driver_on(csi_node) is None:
            yield Problem(f"node/{node}", f"{CSI_DRIVER} is not registered", "Repair the driver.")
        elif IN_TREE_PROVISIONER not in annotations_of(csi_node).get(_MIGRATED_PLUGINS, ""):
            yield Problem(
                f"node/{node}",
                "CSI migration of the in-tree vSphere plugin is not on",
                "Turn CSI migration on for this node first.",
            )


@check("attachments", _BLOCKER, "every attachment of the volumes is healthy")
def attachments(snapshot: Snapshot) -> Iterator[Problem]:
    """A broken attachment now is a disk that does not come off later."""
    for attachment in snapshot.attachments:
        status = attachment.get("status") or {}
        for field in ("attachError", "detachError"):
            if status.get(field):
                message = f"{field}: {status[field].get('message', '')}"
                subject = f"volumeattachment/{name_of(attachment)}"
                yield Problem(subject, message, "Repair the attachment first.")
