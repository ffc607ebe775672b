"""The ConfigMaps of a second backup: what one looks like, and which are a set's own.

They have no owner: the set is deleted while the migration runs, and the garbage
collector would take them with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from csi_migration.journal.archive import Chunk
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import Identity
from csi_migration.kube import Client, resources
from csi_migration.model.objects import (
    FIELD_MANAGER,
    Raw,
    annotations_of,
    is_terminating,
    labels_of,
    name_of,
)

MANAGED_BY = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
"""The label selector of everything that the tool keeps in a namespace."""

# Kubernetes: NameMaxLength of a DNS subdomain is 253; digits and a prefix come on top.
_LONGEST_NAME = 200
_KEY = "archive"
_PREFIX = f"{FIELD_MANAGER}/"
STATEFULSET, STATEFULSET_UID, NUMBER, COUNT, SHA256, VERSION = (
    f"{_PREFIX}{name}"
    for name in ("statefulset", "statefulset-uid", "chunk", "chunks", "sha256", "version")
)


def map_name(statefulset: str, number: int | str) -> str:
    """The name of the ConfigMap that holds this chunk; a very long set's is shortened."""
    if len(statefulset) > _LONGEST_NAME:
        digest = hashlib.sha256(statefulset.encode()).hexdigest()[:16]
        # What precedes a dash must not be a dot.
        statefulset = f"{statefulset[:_LONGEST_NAME].rstrip('.-')}-{digest}"
    return f"csi-migration-{statefulset}-backup-{number}"


def map_of(identity: Identity, chunk: Chunk) -> Raw:
    """The ConfigMap to create for a chunk."""
    label, _, value = MANAGED_BY.partition("=")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": map_name(identity.statefulset, chunk.number),
            "namespace": identity.namespace,
            "labels": {label: value},
            "annotations": _annotations(identity, chunk),
        },
        "immutable": True,
        "binaryData": {_KEY: base64.b64encode(chunk.data).decode()},
    }


def _annotations(identity: Identity, chunk: Chunk) -> dict[str, str]:
    return {
        "kubernetes.io/description": _description(identity, chunk),
        STATEFULSET: identity.statefulset,
        STATEFULSET_UID: identity.statefulset_uid,
        NUMBER: str(chunk.number),
        COUNT: str(chunk.count),
        SHA256: chunk.sha256,
        VERSION: identity.tool_version,
    }


def _description(identity: Identity, chunk: Chunk) -> str:
    return (
        f"Part {chunk.number + 1} of {chunk.count} of a backup (tar, xz) of StatefulSet "
        f"{identity.statefulset}, its pods, claims and volumes, made by {FIELD_MANAGER} before it "
        "moved the volumes to CSI. The tool deletes it when the migration has ended. Delete it "
        "by hand only when that migration changed nothing, or is over, and will not be resumed."
    )


def standing_maps(client: Client, namespace: str, statefulset: str) -> dict[int, Raw]:
    """The set's ConfigMaps that are there now, by their chunk's number.

    Raises:
        KubernetesError: they could not be listed.
    """
    found = client.list(resources.CONFIG_MAPS, namespace, labels=MANAGED_BY)
    return {int(annotations_of(item)[NUMBER]): item for item in found if _is_of(item, statefulset)}


def _is_of(item: Raw, statefulset: str) -> bool:
    """Whether it is the set's, under its own name: a copy under another one is nobody's."""
    marks = annotations_of(item)
    number = marks.get(NUMBER, "")
    return (
        marks.get(STATEFULSET) == statefulset
        and number.isdecimal()
        and name_of(item) == map_name(statefulset, number)
    )


def set_of_first(item: Raw) -> str:
    """The StatefulSet whose backup begins with this ConfigMap; empty if none does."""
    statefulset = annotations_of(item).get(STATEFULSET, "")
    is_first = name_of(item) == map_name(statefulset, 0)
    return statefulset if is_first and _is_of(item, statefulset) else ""


def chunk_of(item: Raw) -> Chunk:
    """The chunk that a ConfigMap holds.

    Raises:
        JournalUnreadable: somebody changed it.
    """
    marks = annotations_of(item)
    try:
        data = base64.b64decode(item["binaryData"][_KEY], validate=True)
        return Chunk(int(marks[NUMBER]), int(marks[COUNT]), marks[SHA256], data)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise JournalUnreadable(
            f"ConfigMap {name_of(item)} is not as the tool made it.", details=repr(error)
        ) from error


def is_as_made(item: Raw, wanted: Raw) -> bool:
    """Whether a ConfigMap holds what was to be created, and will be found again."""
    label, _, value = MANAGED_BY.partition("=")
    if labels_of(item).get(label) != value or is_terminating(item):
        return False
    marks, ours = annotations_of(item), annotations_of(wanted)
    return item.get("binaryData") == wanted["binaryData"] and all(
        marks.get(key) == ours[key] for key in (STATEFULSET, STATEFULSET_UID, NUMBER, COUNT, SHA256)
    )
