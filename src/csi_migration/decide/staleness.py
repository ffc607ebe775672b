"""Whether the world is still the one that a saved plan was made for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from csi_migration.model.objects import Raw, annotations_of, finalizers_of, labels_of, uid_of
from csi_migration.model.snapshot import Snapshot

Basis = dict[str, dict[str, Any]]
"""What matters of each object, by subject; plain JSON."""

# Written again and again by controllers, and of no weight for a migration.
_TICKING = ("control-plane.alpha.kubernetes.io/", "kubectl.kubernetes.io/")


def basis_of(snapshot: Snapshot) -> Basis:
    """What a plan rests on: the set, its revision, its claims, volumes, classes and disks.

    Status, versions and pods are left out: they change while nothing of weight does.
    """
    request = snapshot.request
    found: Basis = {
        request.subject: _kept(snapshot.statefulset)
        | {"updateRevision": snapshot.statefulset.get("status", {}).get("updateRevision")}
    }
    for name, claim in snapshot.claims.items():
        found[f"pvc/{name}"] = _kept(claim)
        volume = snapshot.volumes.get(claim["spec"].get("volumeName", ""))
        if volume:
            found[f"pv/{volume['metadata']['name']}"] = _kept(volume)
        look = snapshot.disks.get(name)
        if look and look.file:
            disk = {"path": str(look.file.path), "datastore": look.file.datastore_id}
            found[f"disk of pvc/{name}"] = disk | {"id": look.disk.id if look.disk else ""}
    for name, one in snapshot.classes.items():
        kept = {key: one[key] for key in ("provisioner", "parameters") if key in one}
        found[f"storageclass/{name}"] = {"uid": uid_of(one)} | kept
    return found


def _kept(item: Raw) -> dict[str, Any]:
    annotations = annotations_of(item)
    return {
        "uid": uid_of(item),
        "spec": item["spec"],
        "labels": labels_of(item),
        "annotations": {k: v for k, v in annotations.items() if not k.startswith(_TICKING)},
        "finalizers": finalizers_of(item),
    }


def moves(then: Basis, now: Basis) -> Iterator[str]:
    """What has changed, object by object, in words: `pvc/data-web-0: spec.x: a -> b`."""
    for subject in sorted(then.keys() | now.keys()):
        if subject not in now:
            yield f"{subject} is gone"
        elif subject not in then:
            yield f"{subject} is new"
        elif then[subject].get("uid") != now[subject].get("uid"):
            yield f"{subject} is another one than then (uid {now[subject].get('uid')})"
        else:
            changes = _changes("", then[subject], now[subject])
            yield from (f"{subject}: {change}" for change in changes)


def _changes(path: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _changes(f"{path}.{key}" if path else key, then.get(key), now.get(key))
    elif then != now and any(isinstance(item, dict) for item in _items(then) + _items(now)):
        # Containers, with what their environment may hold, have no place in a log.
        yield f"{path} is not as it was"
    elif then != now:
        yield f"{path}: {then} -> {now}"


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
