"""What `inventory` keeps of each object of a whole cluster: enough for the checks, no more."""

from __future__ import annotations

import sys
from typing import Any

from csi_migration.model.objects import Raw

_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "deletionTimestamp",
    "generation",
)
# Every object has these of its own: to look for another's like it would be in vain.
_OWN = frozenset({"name", "uid", "volumeName", "claimRef", "vsphereVolume", "csi", "volumes"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_POD_SPEC = ("nodeName", "terminationGracePeriodSeconds", "tolerations")
_POD_CONDITIONS = ("Ready", "PodResizePending", "PodResizeInProgress")


class Sharing:
    """Makes equal parts of many objects one and the same.

    Claims of a set differ in little more than their names: kept once, their labels, sizes
    and modes take no room. Nobody may change what was shared.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def shared(self, item: Raw) -> Raw:
        """The object as it is, made of parts that earlier ones have too."""
        return {
            sys.intern(key): self._group(value) if isinstance(value, dict) else value
            for key, value in item.items()
        }

    def _group(self, group: Raw) -> Raw:
        """`metadata`, `spec` or `status`: not alike as a whole, but most members are."""
        return {sys.intern(key): self._part(key, value) for key, value in group.items()}

    def _part(self, key: str, value: Any) -> Any:
        return value if key in _OWN else self._known.setdefault(repr(value), value)


def _metadata(item: Raw) -> Raw:
    kept: Raw = {key: item["metadata"][key] for key in _METADATA if key in item["metadata"]}
    annotations = kept.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        kept["annotations"] = {k: v for k, v in annotations.items() if k != _LAST_APPLIED}
    return kept


def slim(item: Raw) -> Raw:
    """Without the record of who wrote what."""
    return item | {"metadata": _metadata(item)}


def metadata_alone(item: Raw) -> Raw:
    """Nothing of what it holds."""
    return {"metadata": _metadata(item)}


def slim_volume(volume: Raw) -> Raw:
    """Of its status the phase alone: the rest is times."""
    phase = (volume.get("status") or {}).get("phase", "")
    return slim(volume) | {"status": {"phase": phase}}


def slim_pod(pod: Raw) -> Raw:
    """Its volumes, its node, where it may be, whether it is Ready and whether it is resized."""
    spec, status = pod["spec"], pod.get("status") or {}
    kept: dict[str, Any] = {key: spec[key] for key in _POD_SPEC if key in spec}
    volumes = [
        volume
        for volume in spec.get("volumes") or []
        if "persistentVolumeClaim" in volume or "vsphereVolume" in volume
    ]
    conditions = [c for c in status.get("conditions") or [] if c["type"] in _POD_CONDITIONS]
    return {
        "metadata": _metadata(pod),
        "spec": kept | {"volumes": volumes},
        "status": {"conditions": conditions},
    }


def slim_node(node: Raw) -> Raw:
    """Its taints, and whether it is Ready."""
    ready = [c for c in node["status"].get("conditions") or [] if c["type"] == "Ready"]
    return {
        "metadata": _metadata(node),
        "spec": node["spec"],
        "status": {"conditions": ready},
    }


def without_data(revision: Raw) -> Raw:
    """Its template is the largest part, and no quick check compares it."""
    return {"metadata": _metadata(revision), "data": {"spec": {"template": {"spec": {}}}}}
