"""The objects to come against today's, as a person compares them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from csi_migration.decide.manifests import recreated, with_handle
from csi_migration.decide.sampling import nameless, shapes, to_come
from csi_migration.model.objects import Raw, annotations_of, finalizers_of
from csi_migration.model.outline import Difference
from csi_migration.model.plan import MigrationPlan, ReplicaPlan
from csi_migration.model.snapshot import Snapshot

Write = Callable[[Raw], str]
"""An object as text."""

# The server gives them to every claim and volume anew.
_PROTECTIONS = ("kubernetes.io/pvc-protection", "kubernetes.io/pv-protection")
_HANDLE_TO_COME = "(the id that vCenter gives the disk)"
_PLACED_BY_OTHERS = ("nodeName", "serviceAccount")


def differences(snapshot: Snapshot, plan: MigrationPlan, write: Write) -> tuple[Difference, ...]:
    """The set, then claims, volumes and pod of one replica of each shape, the commonest first."""
    found = [
        _difference(
            f"statefulset/{plan.statefulset}", plan.original, plan.statefulset_manifest, write
        )
    ]
    alike = sorted(shapes(plan, partial(_today, snapshot)), key=len, reverse=True)
    for replicas in alike:
        names = tuple(replica.pod for replica in replicas)
        own = (
            *_of_replica(snapshot, replicas[0], write),
            *_unlike(alike[0][0], replicas[0], write),
        )
        found += [replace(each, replicas=names) for each in own]
    return tuple(found)


def _today(snapshot: Snapshot, replica: ReplicaPlan) -> Iterator[Raw]:
    """What makes today's claims and volumes alike. Of what does not come again, an
    annotation's value is of no weight: it may be the node of long ago.
    """
    for claim in replica.claims:
        for item in (snapshot.claims[claim.name], snapshot.volumes[claim.old_volume]):
            plain = _plain(item)
            names = sorted(annotations_of(plain))
            yield {**plain, "metadata": {**plain["metadata"], "annotations": names}}


def _unlike(first: ReplicaPlan, other: ReplicaPlan, write: Write) -> Iterator[Difference]:
    """What is to come of this replica and not of the first one, which its diffs may not show."""
    for one, two, subject in zip(to_come(first), to_come(other), _subjects(other), strict=True):
        before, after = nameless(first, one), nameless(other, two)
        if before != after:
            yield replace(_difference(subject, before, after, write), unlike=first.pod)


def _subjects(replica: ReplicaPlan) -> Iterator[str]:
    yield f"pod/{replica.pod}"
    for claim in replica.claims:
        yield from (f"pv/{claim.new_volume}", f"pvc/{claim.name}")


def _of_replica(snapshot: Snapshot, replica: ReplicaPlan, write: Write) -> Iterator[Difference]:
    for claim in replica.claims:
        volume = with_handle(claim.new_volume_manifest, claim.disk_id or _HANDLE_TO_COME)
        subject = f"pv/{claim.old_volume} -> pv/{claim.new_volume}"
        yield _difference(subject, snapshot.volumes[claim.old_volume], volume, write)
        today = snapshot.claims[claim.name]
        yield _difference(f"pvc/{claim.name}", today, claim.new_claim_manifest, write)
    pod = snapshot.pods[replica.ordinal]
    yield _difference(
        f"pod/{replica.pod}", _as_made(pod, replica.pod_manifest), replica.pod_manifest, write
    )


def _as_made(pod: Raw, manifest: Raw) -> Raw:
    """The pod without what its controller, admission and scheduling add to each one again."""
    today = {key: pod["spec"][key] for key in manifest["spec"] if key in pod["spec"]}
    metadata = {k: v for k, v in pod["metadata"].items() if k != "ownerReferences"}
    spec = {k: v for k, v in today.items() if k not in _PLACED_BY_OTHERS}
    return {"metadata": metadata, "spec": spec}


def _difference(subject: str, today: Raw, to_come: Raw, write: Write) -> Difference:
    one, other = (write(_plain(item)).splitlines() for item in (today, to_come))
    lines = list(difflib.unified_diff(one, other, lineterm="", n=2))[2:]
    return Difference(subject, tuple(lines))


def _plain(item: Raw) -> Raw:
    """Without what the server writes, and without what only says what kind it is."""
    plain = {k: v for k, v in recreated(item).items() if k in ("metadata", "spec")}
    for template in plain["spec"].get("volumeClaimTemplates") or []:
        template.pop("status", None)
    reference = plain["spec"].get("claimRef")
    for field in ("uid", "resourceVersion"):
        if reference:
            reference.pop(field, None)
    kept = [f for f in finalizers_of(plain) if f not in _PROTECTIONS]
    plain["metadata"]["finalizers"] = kept
    return {key: _in_order(value) for key, value in plain.items()}


def _in_order(value: Any) -> Any:
    """Fields by name and without the empty ones, so that only what differs differs."""
    if isinstance(value, dict):
        ordered = {key: _in_order(value[key]) for key in sorted(value)}
        return {key: found for key, found in ordered.items() if found not in ({}, [])}
    return [_in_order(one) for one in value] if isinstance(value, list) else value
