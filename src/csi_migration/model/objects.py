"""Kubernetes objects as the server sent them, and short ways to read them.

Objects stay plain dicts everywhere: a typed model drops the fields that it does
not know, and a StatefulSet that lost a field of its template restarts every pod.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

Raw = dict[str, Any]

IN_TREE_PROVISIONER = "kubernetes.io/vsphere-volume"
CSI_DRIVER = "csi.vsphere.vmware.com"
# The ConfigMap with the switches of the driver's features.
FEATURE_STATES = "internal-feature-states.csi.vsphere.vmware.com"

FIELD_MANAGER = "statefulset-csi-migration-tool"

REVISION_LABEL = "controller-revision-hash"
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
_PROVIDER = "vsphere://"

POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


def name_of(item: Raw) -> str:
    """The object's name."""
    return str(item["metadata"]["name"])


def by_name(items: Iterable[Raw | None]) -> dict[str, Raw]:
    """Those of the objects that are there, by name."""
    return {name_of(item): item for item in items if item is not None}


def uid_of(item: Raw) -> str:
    """The object's uid."""
    return str(item["metadata"]["uid"])


def resource_version_of(item: Raw) -> str:
    """The object's resourceVersion."""
    return str(item["metadata"]["resourceVersion"])


def labels_of(item: Raw) -> dict[str, str]:
    """The object's labels; empty when it has none."""
    return item["metadata"].get("labels") or {}


def annotations_of(item: Raw) -> dict[str, str]:
    """The object's annotations; empty when it has none."""
    return item["metadata"].get("annotations") or {}


def finalizers_of(item: Raw) -> list[str]:
    """The object's finalizers; empty when it has none."""
    return item["metadata"].get("finalizers") or []


def owners_of(item: Raw) -> list[Raw]:
    """The object's ownerReferences; empty when it has none."""
    return item["metadata"].get("ownerReferences") or []


def is_terminating(item: Raw) -> bool:
    """Whether a deletion has been asked for."""
    return bool(item["metadata"].get("deletionTimestamp"))


def has_left(pod: Raw) -> bool:
    """Whether it is on its way out, or over: evicted, or ended with its node.

    A pod that failed stays as an object until its controller replaces it.
    """
    return is_terminating(pod) or pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def controller_uid_of(item: Raw) -> str:
    """The uid of the controller that owns the object; empty for an orphan."""
    return next((str(o["uid"]) for o in owners_of(item) if o.get("controller")), "")


def is_ready(pod: Raw) -> bool:
    """Whether the pod's Ready condition is True and it is not going away."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not is_terminating(pod)


def vm_uuid_of(node: Raw) -> str:
    """The BIOS uuid of the node's VM; empty for a node that does not say.

    (cloud-provider-vsphere: `vsphere://UUID` in a node's providerID.)
    """
    said = str(node["spec"].get("providerID") or "")
    return said.removeprefix(_PROVIDER).lower() if said.startswith(_PROVIDER) else ""


def class_of(claim_or_volume: Raw) -> str:
    """The StorageClass of a claim, a volume or a claim template.

    The beta annotation wins over the field
    (component-helpers: storage/volume.GetPersistentVolumeClaimClass).
    """
    beta = annotations_of(claim_or_volume).get("volume.beta.kubernetes.io/storage-class")
    return str(beta or claim_or_volume["spec"].get("storageClassName") or "")


def is_in_tree(volume: Raw) -> bool:
    """Whether it is an in-tree vSphere volume; only the spec tells."""
    return bool(volume["spec"].get("vsphereVolume"))


def claim_templates_of(statefulset: Raw) -> list[Raw]:
    """The set's volumeClaimTemplates."""
    return statefulset["spec"].get("volumeClaimTemplates") or []


def template_classes(statefulset: Raw) -> list[str]:
    """The StorageClass of each claim template, empty where none is named."""
    return [class_of(template) for template in claim_templates_of(statefulset)]


def spec_without_templates(statefulset: Raw) -> Raw:
    """The set's spec without its claim templates, which the migration changes."""
    return {k: v for k, v in statefulset["spec"].items() if k != "volumeClaimTemplates"}


def spec_changes(found: Raw, expected: Raw) -> tuple[str, ...]:
    """Where a set's spec differs from the expected one's, in words; claim templates apart."""
    now, then = spec_without_templates(found), spec_without_templates(expected)
    return tuple(
        _change(field, now.get(field), then.get(field)) for field in changed_fields(found, expected)
    )


def changed_fields(found: Raw, expected: Raw) -> list[str]:
    """The members of a set's spec that are not as expected; claim templates apart.

    A field that the expected set does not have, and that nobody but the server put
    there, is the default of a newer control plane: it counts as unchanged. Not so
    within the pod template, where every field makes another revision.
    """
    then = spec_without_templates(expected)
    now = _without_defaults(spec_without_templates(found), then, _spec_owners(found))
    return [
        field for field in sorted(now.keys() | then.keys()) if now.get(field) != then.get(field)
    ]


def _spec_owners(statefulset: Raw) -> list[Raw]:
    """What people and controllers own of the spec, as in managedFields' FieldsV1.

    An empty member stands for all that is below it. Without any record of owners
    somebody may own everything.
    """
    entries = statefulset.get("metadata", {}).get("managedFields")
    if not entries:
        return [{}]
    trees = (e.get("fieldsV1") or {} for e in entries if e.get("manager") != FIELD_MANAGER)
    return [tree["f:spec"] for tree in trees if "f:spec" in tree]


def _without_defaults(now: Raw, then: Raw, owners: list[Raw]) -> Raw:
    kept = {}
    for field, value in now.items():
        own = [tree[f"f:{field}"] for tree in owners if f"f:{field}" in tree]
        own += [tree for tree in owners if not tree]
        if field not in then and not own:
            continue
        expected = then.get(field)
        if field != "template" and isinstance(value, dict) and isinstance(expected, dict):
            kept[field] = _without_defaults(value, expected, own)
        else:
            kept[field] = value
    return kept


def _change(field: str, now: Any, then: Any) -> str:
    if isinstance(now, dict | list) or isinstance(then, dict | list):
        return f"spec.{field} is another one"
    return f"spec.{field} is {now} instead of {then}"


def first_ordinal_of(statefulset: Raw) -> int:
    """`spec.ordinals.start`, 0 when not given."""
    return int((statefulset["spec"].get("ordinals") or {}).get("start", 0))


def ordinals_of(statefulset: Raw) -> range:
    """The ordinals that the set's controller keeps alive."""
    start = first_ordinal_of(statefulset)
    return range(start, start + int(statefulset["spec"].get("replicas", 1)))


def claim_name(template: str, statefulset: str, ordinal: int) -> str:
    """The claim of a replica (kubernetes: statefulset.getPersistentVolumeClaimName)."""
    return f"{template}-{statefulset}-{ordinal}"


def is_made_by_tool(item: Raw) -> bool:
    """Whether this tool created or changed the object, by the server's own record."""
    return is_managed_by(item, FIELD_MANAGER)


def is_made_here(item: Raw, made: Collection[str]) -> bool:
    """Whether this migration made it: by the uids that its journal knows, or by the server's
    record, which may be lost.
    """
    return uid_of(item) in made or is_made_by_tool(item)


def is_managed_by(item: Raw, manager: str) -> bool:
    """Whether that manager wrote a field of the object itself, by the server's own record."""
    fields = item["metadata"].get("managedFields") or []
    return any(e.get("manager") == manager and not e.get("subresource") for e in fields)
