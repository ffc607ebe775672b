"""What a namespace holds, its volumes included, at one moment."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lab.client import Cluster, Object

KINDS = (
    "ConfigMap",
    "ControllerRevision",
    "Lease",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
)
# In the names and metadata of all that the tool adds and has to take away again.
MARK = "csi-migration"

Objects = dict[str, Object]


@dataclass(frozen=True, slots=True)
class World:
    """The objects of a namespace and its volumes, by kind and name."""

    by_kind: dict[str, Objects]

    @classmethod
    def of(cls, cluster: Cluster, namespace: str, known: Collection[str] = ()) -> World:
        """What is there now. Of volumes that name no claim, and of attachments whose volume has
        gone, those are the namespace's that are called after one of `known`, its volumes of old.
        """
        found = {kind: cluster.list(kind, namespace) for kind in KINDS}
        everyones = cluster.list("PersistentVolume")
        found["PersistentVolume"] = [
            one for one in everyones if _is_of(one, namespace, tuple(known))
        ]
        others = _names(everyones) - (own := _names(found["PersistentVolume"]))
        found["VolumeAttachment"] = [
            one
            for one in cluster.list("VolumeAttachment")
            if (volume := attached(one)) in own
            or (volume not in others and volume.startswith(tuple(known)))
        ]
        return cls({kind: _by_name(items) for kind, items in found.items()})

    def __getitem__(self, kind: str) -> Objects:
        return self.by_kind[kind]

    def names(self, kind: str) -> set[str]:
        return set(self.by_kind[kind])

    def volume_of(self, claim: str) -> Object:
        """The PersistentVolume that a claim is bound to."""
        name = self["PersistentVolumeClaim"][claim]["spec"]["volumeName"]
        return self["PersistentVolume"][name]

    def marks(self) -> list[str]:
        """Objects that still tell of the tool, in their names or metadata."""
        return [
            f"{kind} {name} still bears {MARK}"
            for kind, items in self.by_kind.items()
            for name, item in items.items()
            if MARK in name or MARK in json.dumps(_own_words(item))
        ]


def attached(attachment: Object) -> str:
    """The name of the PersistentVolume that a VolumeAttachment is of; empty for an inline one."""
    return str(attachment["spec"]["source"].get("persistentVolumeName", ""))


def _is_of(volume: Object, namespace: str, known: tuple[str, ...]) -> bool:
    claim = volume["spec"].get("claimRef")
    if claim:
        return bool(claim["namespace"] == namespace)
    return bool(volume["metadata"]["name"].startswith(known))


def _own_words(item: Object) -> list[Any]:
    metadata = item["metadata"]
    return [metadata.get(field) for field in ("annotations", "labels", "finalizers")]


def _names(items: list[Object]) -> set[str]:
    return set(_by_name(items))


def _by_name(items: list[Object]) -> Objects:
    return {item["metadata"]["name"]: item for item in items}
