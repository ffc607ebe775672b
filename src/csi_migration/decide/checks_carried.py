"""Checks of what the new claims and volumes carry over, and what room there is for them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from csi_migration.decide.checks_volumes import claims_by_ordinal, in_tree_pairs, pairs
from csi_migration.decide.manifests import mount_options_of
from csi_migration.decide.preflight import Problem, check, unknown
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
    name_of,
    ordinals_of,
    owners_of,
)
from csi_migration.model.quantity import parse_quantity
from csi_migration.model.snapshot import Snapshot

_NOTE = Severity.NOTE
_FILE = "Filesystem"
_BLOCK_MODES = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
_FILE_SYSTEMS = frozenset({"", "ext3", "ext4", "xfs"})
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONERS = frozenset(
    {
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
    }
)
_COUNTED = "Wait until the quota's status tells what is used, and run preflight again."
_SOURCE_PROTECTION = "snapshot.storage.kubernetes.io/pvc-as-source-protection"


def _own_claims(snapshot: Snapshot) -> Iterator[Raw]:
    return (snapshot.claims[n] for _, n in claims_by_ordinal(snapshot) if n in snapshot.claims)


@check(
    "template-classes",
    Severity.WARNING,
    "every claim template names the in-tree class given",
    looks_at="storageClassName of the volumeClaimTemplates",
    source="kubernetes: statefulset validation: claim templates are immutable",
    resolution="See that the manifest at the source gets the CSI class in this template, too.",
)
def template_classes(snapshot: Snapshot) -> Iterator[Problem]:
    """All templates name the CSI class afterwards, whatever they name now."""
    for template in claim_templates_of(snapshot.statefulset):
        found = class_of(template)
        if found != snapshot.request.intree_class:
            yield Problem(
                snapshot.request.subject,
                f"claim template {name_of(template)} is of class {found or '<default>'}, "
                f"and will be of {snapshot.request.csi_class}",
            )


@check(
    "template-fits",
    _NOTE,
    "every claim is as its template has it",
    looks_at="size, accessModes and volumeMode of claims and their volumeClaimTemplates",
    source="kubernetes: stateful_set_utils.go:getPersistentVolumeClaims",
    resolution="Nothing for the migration: the new claim is as the old one. Claims of replicas "
    "to come are as the template says.",
)
def template_fits(snapshot: Snapshot) -> Iterator[Problem]:
    """Who scales up later gets a claim unlike those that are there, such as the size from
    before they grew.
    """
    for template in claim_templates_of(snapshot.statefulset):
        for ordinal in ordinals_of(snapshot.statefulset):
            name = claim_name(name_of(template), snapshot.request.statefulset, ordinal)
            differing = list(_differing(template["spec"], snapshot.claims.get(name)))
            if differing:
                yield Problem(f"pvc/{name}", f"unlike its template: {'; '.join(differing)}")


def _differing(wanted: Raw, claim: Raw | None) -> Iterator[str]:
    if claim is None:
        return
    size = _size_asked(claim["spec"])
    template_size = _size_asked(wanted) or size
    if parse_quantity(template_size) != parse_quantity(size):
        yield f"it asks for {size}, not {template_size}"
    found, modes = claim["spec"]["accessModes"], wanted.get("accessModes") or []
    if sorted(found) != sorted(modes):
        yield f"its access modes are {', '.join(found)}, not {', '.join(modes)}"
    mode, template_mode = (one.get("volumeMode") or _FILE for one in (claim["spec"], wanted))
    if mode != template_mode:
        yield f"its volumeMode is {mode}, not {template_mode}"


def _size_asked(spec: Raw) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", ""))


@check(
    "access-modes",
    Severity.BLOCKER,
    "every claim is for one node at a time",
    looks_at="accessModes of claims and volumes",
    source="vsphere-csi-driver: block volumes are single-node",
    resolution="Shared volumes can't be migrated in place.",
)
def access_modes(snapshot: Snapshot) -> Iterator[Problem]:
    """A CSI block volume can't be attached to several nodes, so such a claim never binds well."""
    for claim, volume in pairs(snapshot):
        modes = {*claim["spec"]["accessModes"], *volume["spec"]["accessModes"]}
        if others := sorted(modes - _BLOCK_MODES):
            yield Problem(f"pvc/{name_of(claim)}", f"its access modes are {', '.join(others)}")


@check(
    "claim-sources",
    _NOTE,
    "no claim says what it was filled from",
    looks_at="dataSource, dataSourceRef and volumeAttributesClassName of claims",
    source="kubernetes: a claim with volumeName binds to that volume only",
    resolution="Nothing, unless something reads these fields.",
)
def claim_sources(snapshot: Snapshot) -> Iterator[Problem]:
    """The volume has its data; a new claim that named a source would be filled again."""
    fields = ("dataSource", "dataSourceRef", "volumeAttributesClassName")
    for claim in _own_claims(snapshot):
        named = [field for field in fields if claim["spec"].get(field)]
        if named:
            message = f"{', '.join(named)} will not be carried over"
            yield Problem(f"pvc/{name_of(claim)}", message)


@check(
    "claim-selectors",
    _NOTE,
    "no claim chooses its volume by labels",
    looks_at="spec.selector of claims",
    source="kubernetes: persistentvolume/pv_controller.go:syncUnboundClaim",
    resolution="Nothing: the new volume keeps the old one's labels.",
)
def claim_selectors(snapshot: Snapshot) -> Iterator[Problem]:
    """A claim that names its volume is bound without a look at the selector."""
    for claim in _own_claims(snapshot):
        if claim["spec"].get("selector"):
            yield Problem(f"pvc/{name_of(claim)}", "it has a selector, which it keeps")


@check(
    "beta-class",
    _NOTE,
    "classes are named by storageClassName alone",
    looks_at="annotation volume.beta.kubernetes.io/storage-class of claims, templates, volumes",
    source="component-helpers: storage/volume.GetPersistentVolumeClaimClass",
    resolution="Nothing: the new objects are without it.",
)
def beta_class(snapshot: Snapshot) -> Iterator[Problem]:
    """The annotation wins over the field; kept, it would put the claim back on the old class."""
    for template in claim_templates_of(snapshot.statefulset):
        if _BETA_CLASS in annotations_of(template):
            message = f"annotation {_BETA_CLASS} of claim template {name_of(template)} goes"
            yield Problem(snapshot.request.subject, message)
    for claim, volume in pairs(snapshot):
        for kind, item in (("pvc", claim), ("pv", volume)):
            if _BETA_CLASS in annotations_of(item):
                yield Problem(f"{kind}/{name_of(item)}", f"annotation {_BETA_CLASS} goes")


@check(
    "stale-annotations",
    _NOTE,
    "no claim has an annotation of a node or a provisioner that is no more its own",
    looks_at="annotations volume.kubernetes.io/selected-node and storage-provisioner of claims",
    source="component-helpers: storage/volume: AnnSelectedNode, AnnStorageProvisioner; "
    "external-provisioner: controller.go",
    resolution="Nothing: the new claim is without it.",
)
def stale_annotations(snapshot: Snapshot) -> Iterator[Problem]:
    """They say how the claim was provisioned once, and nobody takes them off. They are not
    carried over: who reads them should know.
    """
    for claim in _own_claims(snapshot):
        marks = annotations_of(claim)
        node = marks.get(_SELECTED_NODE)
        if node and snapshot.nodes is not None and node not in snapshot.nodes:
            message = (
                f"annotation {_SELECTED_NODE} names {node}, which is no node any more; it goes"
            )
            yield Problem(f"pvc/{name_of(claim)}", message)
        for key in sorted(_PROVISIONERS & marks.keys()):
            if marks[key] not in (IN_TREE_PROVISIONER, CSI_DRIVER):
                message = f"annotation {key} names {marks[key]}; it goes"
                yield Problem(f"pvc/{name_of(claim)}", message)


@check(
    "claim-owners",
    Severity.WARNING,
    "nobody owns the claims",
    looks_at="ownerReferences of claims",
    source="kubernetes: garbage collector",
    resolution="See that whoever owns them finds the new claims by name.",
)
def claim_owners(snapshot: Snapshot) -> Iterator[Problem]:
    """The new claims are owned by nobody: what deleted the old ones along with their owner
    does not delete them.
    """
    for claim in _own_claims(snapshot):
        for owner in owners_of(claim):
            message = f"{owner['kind']}/{owner['name']} owns it, and will not own the new one"
            yield Problem(f"pvc/{name_of(claim)}", message)


@check(
    "leftover-claims",
    _NOTE,
    "no claim of a replica that is no more is left on another class than the CSI class",
    looks_at="claims of the namespace named after the set, beyond its replicas, and their class",
    source="kubernetes: statefulset.getPersistentVolumeClaimName",
    resolution="Delete them if nobody needs their data, or scale up before you migrate.",
)
def leftover_claims(snapshot: Snapshot) -> Iterator[Problem]:
    """A later scale-up takes them as they are: replicas on in-tree volumes in a CSI set."""
    own = {name for _, name in claims_by_ordinal(snapshot)}
    for template in claim_templates_of(snapshot.statefulset):
        prefix = f"{name_of(template)}-{snapshot.request.statefulset}-"
        for name in sorted(snapshot.namespace_claims.keys() - own):
            is_of_the_set = name.startswith(prefix) and name.removeprefix(prefix).isdigit()
            is_csi = class_of(snapshot.namespace_claims[name]) == snapshot.request.csi_class
            if is_of_the_set and not is_csi:
                yield Problem(f"pvc/{name}", "it is of a replica that is no more, and stays")


@check(
    "volume-snapshots",
    Severity.BLOCKER,
    "no snapshot of a claim is being taken",
    looks_at="VolumeSnapshots of the namespace and the claims' source protection",
    source="external-snapshotter: snapshot_controller_base.go; pvc-as-source-protection",
    resolution="Wait until the snapshot is ready to use, or delete it.",
)
def volume_snapshots(snapshot: Snapshot) -> Iterator[Problem]:
    """A snapshot in the making holds the claim back from its deletion, and would fail."""
    own = {name for _, name in claims_by_ordinal(snapshot)}
    if snapshot.volume_snapshots is None:
        yield unknown(
            f"namespace/{snapshot.request.namespace}",
            "VolumeSnapshots can't be seen",
            "Grant list volumesnapshots.snapshot.storage.k8s.io.",
        )
    for one in snapshot.volume_snapshots or ():
        source = one["spec"]["source"].get("persistentVolumeClaimName", "")
        is_ready = (one.get("status") or {}).get("readyToUse")
        if source in own and not is_ready:
            yield Problem(f"volumesnapshot/{name_of(one)}", f"it is being taken of {source}")
        elif source in own:
            yield Problem(
                f"volumesnapshot/{name_of(one)}",
                f"it was taken of {source}, and depends on that disk, which stays",
                "Nothing for the migration. Before you delete the new volume, delete the snapshot.",
                _NOTE,
            )
    for claim in _own_claims(snapshot):
        if _SOURCE_PROTECTION in finalizers_of(claim):
            yield Problem(f"pvc/{name_of(claim)}", "a snapshot of it is under way, by a finalizer")


@check(
    "class-quota",
    Severity.BLOCKER,
    "the quotas of the CSI class have room for all claims together",
    looks_at="ResourceQuotas of the namespace for CLASS.storageclass.storage.k8s.io",
    source="kubernetes: quota/v1/evaluator/core/persistent_volume_claims.go",
    resolution="Raise the quota of the CSI class.",
)
def class_quota(snapshot: Snapshot) -> Iterator[Problem]:
    """A dry-run asks for one claim at a time, and the quota is full before the last replica."""
    if snapshot.quotas is None:
        subject = f"namespace/{snapshot.request.namespace}"
        yield unknown(subject, "quotas can't be seen", "Grant list resourcequotas.")
    prefix = f"{snapshot.request.csi_class}.storageclass.storage.k8s.io/"
    claims = list(_own_claims(snapshot))
    sizes = [parse_quantity(c["spec"]["resources"]["requests"]["storage"]) for c in claims]
    wanted = {"requests.storage": sum(sizes), "persistentvolumeclaims": len(claims)}
    for quota in snapshot.quotas or ():
        for resource, needed in wanted.items():
            yield from _quota_problem(quota, prefix + resource, needed)


def _quota_problem(quota: Raw, resource: str, needed: Fraction | int) -> Iterator[Problem]:
    """Admission goes by the status, which is empty until the quota's controller has counted."""
    subject, status = f"resourcequota/{name_of(quota)}", quota.get("status") or {}
    limit = (status.get("hard") or {}).get(resource)
    used = (status.get("used") or {}).get(resource)
    if limit is not None and used is not None:
        if parse_quantity(used) + needed > parse_quantity(limit):
            message = f"{resource} is {limit}, {used} used; all claims need {needed}"
            yield Problem(subject, message)
    elif resource in (quota["spec"].get("hard") or {}):
        yield unknown(subject, f"its controller has not counted {resource} yet", _COUNTED)


@check(
    "file-systems",
    Severity.WARNING,
    "every volume's file system is one that the driver mounts",
    looks_at="spec.vsphereVolume.fsType",
    source="vsphere-csi-driver: node service: ext3, ext4, xfs",
    resolution="See that the nodes can mount it; the CSI driver is given the same fsType.",
)
def file_systems(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume that is asked for with another file system than it has is not mounted."""
    for _, volume in in_tree_pairs(snapshot):
        found = volume["spec"]["vsphereVolume"].get("fsType") or ""
        if found not in _FILE_SYSTEMS:
            yield Problem(f"pv/{name_of(volume)}", f"its file system is {found}")


@check(
    "mount-options",
    _NOTE,
    "no volume has mount options",
    looks_at="spec.mountOptions of volumes, and their old annotation",
    source="kubernetes: CSI NodeStageVolume mount flags",
    resolution="Nothing: the new volume has the same.",
)
def mount_options(snapshot: Snapshot) -> Iterator[Problem]:
    """They are carried over, and the CSI driver mounts with them."""
    for _, volume in in_tree_pairs(snapshot):
        if options := mount_options_of(volume):
            yield Problem(f"pv/{name_of(volume)}", f"mounted with {','.join(options)}")


@check(
    "class-expansion",
    _NOTE,
    "the CSI class lets volumes grow",
    looks_at="allowVolumeExpansion of the CSI class",
    source="kubernetes: admission/plugin/storage/persistentvolume/resize",
    resolution="Set allowVolumeExpansion on the class if volumes shall grow later.",
)
def class_expansion(snapshot: Snapshot) -> Iterator[Problem]:
    """To grow is what many migrate for; without it the claims can't be expanded afterwards."""
    found = snapshot.classes.get(snapshot.request.csi_class)
    is_csi = found is not None and found["provisioner"] == CSI_DRIVER
    if found is not None and is_csi and not found.get("allowVolumeExpansion"):
        yield Problem(f"storageclass/{name_of(found)}", "allowVolumeExpansion is not set")
