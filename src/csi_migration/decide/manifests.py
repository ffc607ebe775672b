"""The objects to come, made from the objects that were backed up.

Everything that a server adds is taken off, everything that a person or an
operator put there stays, and only what must change changes.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping

from csi_migration.decide.last_applied import LAST_APPLIED, rewritten
from csi_migration.decide.topology import TOPOLOGY_LABELS, csi_node_affinity
from csi_migration.model.objects import (
    CSI_DRIVER,
    POD_INDEX_LABEL,
    POD_NAME_LABEL,
    REVISION_LABEL,
    Raw,
    annotations_of,
    claim_name,
    claim_templates_of,
    class_of,
    finalizers_of,
    labels_of,
    name_of,
)

_SERVER_METADATA = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_BETA_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"

# What binding, provisioning and CSI migration wrote about the old pair. With
# bind-completed kept, a new claim goes to phase Lost, which is final
# (kubernetes: persistentvolume/pv_controller.go:syncBoundClaim).
_BINDING_ANNOTATIONS = frozenset(
    {
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "pv.kubernetes.io/migrated-to",
        "pv.kubernetes.io/provisioned-by",
        "volume.kubernetes.io/selected-node",
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
        "kubernetes.io/createdby",
        _BETA_CLASS,
        # Refused on a CSI volume (kubernetes: volume/validation/pv_validation.go).
        _BETA_MOUNT_OPTIONS,
    }
)

_BINDING_STATE = frozenset(
    {
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "pv.kubernetes.io/migrated-to",
        "volume.kubernetes.io/selected-node",
    }
)
_STALE_REFERENCE = ("uid", "resourceVersion")

# The type that the driver gives to block volumes
# (vsphere-csi-driver: pkg/csi/service/common/constants.go). Without
# storage.kubernetes.io/csiProvisionerIdentity the syncer takes the volume for a
# static one and registers it (pkg/syncer/metadatasyncer.go).
_VOLUME_ATTRIBUTES = {"type": "vSphere CNS Block Volume"}

_DEFAULT_FILE_SYSTEM = "ext4"

# Garbage collection's own marks; all other finalizers belong to somebody.
_DELETION_FINALIZERS = frozenset({"orphan", "foregroundDeletion"})

_NAME_LIMIT = 253


def new_volume_name(old_volume: Raw) -> str:
    """The CSI volume's name: new, since the syncer and the attacher look volumes
    up by name and could take the one for the other, and the same at every try.
    """
    suffix = "-csi"
    return name_of(old_volume)[: _NAME_LIMIT - len(suffix)].rstrip("-.") + suffix


def new_volume(old_volume: Raw, claim: Raw, csi_class: str, topology_keys: Collection[str]) -> Raw:
    """The CSI PersistentVolume, all but its volumeHandle.

    The policy is Retain until the whole migration has succeeded. `claimRef` has
    no uid, so the volume waits for the claim to come; without a claimRef its
    deletion would crash the driver (vsphere-csi-driver 3.6 and later:
    k8sorchestrator.go). An empty fsType would switch off fsGroup
    (kubernetes: volume/csi/csi_mounter.go:supportsFSGroup).
    """
    old = old_volume["spec"]
    affinity = csi_node_affinity(old_volume, topology_keys)
    kept = ("capacity", "accessModes", "mountOptions", "volumeMode")
    spec: Raw = {key: old[key] for key in kept if key in old}
    if options := mount_options_of(old_volume):
        spec["mountOptions"] = options
    spec |= {
        "storageClassName": csi_class,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": _claim_reference(claim),
        "csi": {
            "driver": CSI_DRIVER,
            "fsType": old["vsphereVolume"].get("fsType") or _DEFAULT_FILE_SYSTEM,
            "volumeAttributes": dict(_VOLUME_ATTRIBUTES),
        },
    }
    if affinity:
        spec["nodeAffinity"] = affinity
    metadata = _metadata(old_volume, drop_labels=TOPOLOGY_LABELS if affinity else ())
    metadata["name"] = new_volume_name(old_volume)
    metadata["annotations"]["pv.kubernetes.io/provisioned-by"] = CSI_DRIVER
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def mount_options_of(volume: Raw) -> list[str]:
    """The volume's mount options, from its spec and from the old annotation.

    (kubernetes: volume/util/util.go:MountOptionFromSpec joins the two.)
    """
    old = annotations_of(volume).get(_BETA_MOUNT_OPTIONS, "")
    listed = [*(each for each in old.split(",") if each), *volume["spec"].get("mountOptions", ())]
    return list(dict.fromkeys(listed))


def with_handle(volume: Raw, disk_id: str) -> Raw:
    """The CSI volume with the FCD that it stands for."""
    whole = copy.deepcopy(volume)
    whole["spec"]["csi"]["volumeHandle"] = disk_id
    return whole


def new_claim(claim: Raw, volume: str, csi_class: str) -> Raw:
    """The claim again, on the CSI class and bound to `volume` by name, so that
    no provisioner can put an empty disk in its place.
    """
    spec = copy.deepcopy(claim["spec"])
    for populated in ("dataSource", "dataSourceRef", "volumeAttributesClassName"):
        spec.pop(populated, None)
    spec |= {"storageClassName": csi_class, "volumeName": volume}
    metadata = _metadata(claim)
    metadata |= {"name": name_of(claim), "namespace": claim["metadata"]["namespace"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": spec,
    }


def claim_changes(found: Raw, planned: Raw) -> tuple[str, ...]:
    """What a claim has by now that the one which takes its place will not have, in words."""
    now, then = _metadata(found), _metadata(planned)
    changed = [kind for kind in now if now[kind] != then[kind]]
    size, later = _requested(found), _requested(planned)
    return (*changed, *((f"storage {size}, then {later}",) if size != later else ()))


def _requested(claim: Raw) -> str:
    requests = claim["spec"].get("resources", {}).get("requests", {})
    return str(requests.get("storage", ""))


def new_statefulset(statefulset: Raw, csi_class: str) -> Raw:
    """The set again, its claim templates on the CSI class, all else as it was.

    The templates are no part of a revision (kubernetes: statefulset.getPatch), so
    no pod is replaced. kubectl's record of what it applied last changes with them:
    whoever changes the class in the manifest then applies no change.
    """
    again = recreated(statefulset)
    templates = claim_templates_of(again)
    for template in templates:
        template.pop("status", None)
    classes: dict[str, str | None] = {name_of(template): csi_class for template in templates}
    _put_on_classes(again, classes)
    _put_record_on_classes(again, classes)
    return again


def with_claim_templates(statefulset: Raw, planned: Raw) -> Raw:
    """The set as it stands now, to be created again with the planned claim templates."""
    again = recreated(statefulset)
    templates = copy.deepcopy(claim_templates_of(planned))
    again["spec"]["volumeClaimTemplates"] = templates
    _put_record_on_classes(again, {name_of(t): _class_said(t) for t in templates})
    return again


def _class_said(template: Raw) -> str | None:
    """The class that it names; empty if it names none, None if it says nothing of it."""
    named: str | None = template["spec"].get("storageClassName")
    return class_of(template) or named


def _put_record_on_classes(statefulset: Raw, classes: Mapping[str, str | None]) -> None:
    record = annotations_of(statefulset).get(LAST_APPLIED)
    if record is not None:
        statefulset["metadata"]["annotations"][LAST_APPLIED] = rewritten(
            record, lambda manifest: _put_on_classes(manifest, classes)
        )


def _put_on_classes(statefulset: Raw, classes: Mapping[str, str | None]) -> None:
    for template in claim_templates_of(statefulset):
        if name_of(template) in classes:
            template["spec"].pop("storageClassName", None)
            if (wanted := classes[name_of(template)]) is not None:
                template["spec"]["storageClassName"] = wanted
        beta = template["metadata"].get("annotations") or {}
        if beta.pop(_BETA_CLASS, None) and not beta:
            del template["metadata"]["annotations"]


def recreated(item: Raw) -> Raw:
    """An object without what only the server may write: fit to be created again."""
    again = copy.deepcopy(item)
    again.pop("status", None)
    for field in _SERVER_METADATA:
        again["metadata"].pop(field, None)
    kept = [f for f in finalizers_of(item) if f not in _DELETION_FINALIZERS]
    again["metadata"].pop("finalizers", None)
    if kept:
        again["metadata"]["finalizers"] = kept
    return again


def restored_volume(volume: Raw) -> Raw:
    """An in-tree volume to be created again, as it was but for its policy.

    Retain, and a claimRef without uid: with the uid of a claim that is gone it
    would count as released, and its disk would be deleted
    (kubernetes: persistentvolume/pv_controller.go:syncVolume).
    """
    again = _restored(volume, "PersistentVolume")
    again["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    reference = again["spec"]["claimRef"]
    again["spec"]["claimRef"] = {k: reference[k] for k in reference if k not in _STALE_REFERENCE}
    return again


def restored_claim(claim: Raw) -> Raw:
    """An in-tree claim to be created again, bound to its volume by name.

    One that says nothing of a class would be put on the default one
    (kubernetes: admission/plugin/storage/storageclass/setdefault).
    """
    again = _restored(claim, "PersistentVolumeClaim")
    if not class_of(again):
        again["spec"]["storageClassName"] = ""
    return again


def _restored(item: Raw, kind: str) -> Raw:
    again: Raw = {"apiVersion": "v1", "kind": kind} | recreated(item)
    again["metadata"].pop("finalizers", None)
    again["metadata"].pop("ownerReferences", None)
    again["metadata"]["annotations"] = {
        k: v for k, v in annotations_of(item).items() if k not in _BINDING_STATE
    }
    return again


def new_pod(statefulset: Raw, revision: Raw, pod: Raw, ordinal: int) -> Raw:
    """The pod as the set's controller would make it at this revision.

    Not from the live pod: what admission and operators added to that one may be
    refused or wrong the second time. Owner and node are left out: the controller
    adopts it, the scheduler places it.
    (kubernetes: controller/statefulset: newStatefulSetPod, initIdentity, updateStorage.)
    """
    template = copy.deepcopy(revision["data"]["spec"]["template"])
    spec = template["spec"]
    spec["hostname"] = name_of(pod)
    spec["subdomain"] = statefulset["spec"].get("serviceName", "")
    spec["volumes"] = _pod_volumes(statefulset, spec.get("volumes") or [], ordinal)
    metadata: Raw = {
        "name": name_of(pod),
        "generateName": f"{name_of(statefulset)}-",
        "namespace": statefulset["metadata"]["namespace"],
        "labels": _pod_labels(template, pod, revision),
    }
    for field in ("annotations", "finalizers"):
        if template["metadata"].get(field):
            metadata[field] = template["metadata"][field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _pod_labels(template: Raw, pod: Raw, revision: Raw) -> dict[str, str]:
    labels = dict(template["metadata"].get("labels") or {})
    labels |= {POD_NAME_LABEL: name_of(pod), REVISION_LABEL: name_of(revision)}
    if POD_INDEX_LABEL in labels_of(pod):
        labels[POD_INDEX_LABEL] = labels_of(pod)[POD_INDEX_LABEL]
    return labels


def _pod_volumes(statefulset: Raw, volumes: Iterable[Raw], ordinal: int) -> list[Raw]:
    names = [name_of(template) for template in claim_templates_of(statefulset)]
    claims = [
        {
            "name": name,
            "persistentVolumeClaim": {"claimName": claim_name(name, name_of(statefulset), ordinal)},
        }
        for name in names
    ]
    return claims + [volume for volume in volumes if volume["name"] not in names]


def _claim_reference(claim: Raw) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": claim["metadata"]["namespace"],
        "name": name_of(claim),
    }


def _metadata(item: Raw, drop_labels: Collection[str] = ()) -> Raw:
    return {
        "labels": {k: v for k, v in labels_of(item).items() if k not in drop_labels},
        "annotations": {
            k: v for k, v in annotations_of(item).items() if k not in _BINDING_ANNOTATIONS
        },
    }
