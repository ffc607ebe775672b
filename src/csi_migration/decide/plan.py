"""The plan of a whole migration, from one snapshot that passed preflight."""

from __future__ import annotations

from csi_migration.decide.checks_volumes import csi_topology_keys
from csi_migration.decide.manifests import (
    new_claim,
    new_pod,
    new_statefulset,
    new_volume,
    new_volume_name,
    restored_claim,
    restored_volume,
)
from csi_migration.model.objects import (
    Raw,
    claim_name,
    claim_templates_of,
    name_of,
    ordinals_of,
    uid_of,
)
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan
from csi_migration.model.snapshot import Snapshot

_DEFAULT_GRACE_SECONDS = 30.0


def plan_of(snapshot: Snapshot) -> MigrationPlan:
    """Every object to come and every object to go, highest ordinal first.

    Raises:
        KeyError, ValueError: the snapshot did not pass preflight.
    """
    statefulset, keys = snapshot.statefulset, csi_topology_keys(snapshot)
    return MigrationPlan(
        namespace=snapshot.request.namespace,
        statefulset=snapshot.request.statefulset,
        uid=uid_of(statefulset),
        revision=statefulset["status"]["updateRevision"],
        selector=selector_query(statefulset["spec"]["selector"]),
        statefulset_manifest=new_statefulset(statefulset, snapshot.request.csi_class),
        original=statefulset,
        min_ready_seconds=float(statefulset["spec"].get("minReadySeconds", 0)),
        replicas=tuple(
            _replica_plan(snapshot, ordinal, keys) for ordinal in reversed(ordinals_of(statefulset))
        ),
    )


def _replica_plan(snapshot: Snapshot, ordinal: int, keys: set[str]) -> ReplicaPlan:
    """One replica's part of the plan."""
    statefulset, pod = snapshot.statefulset, snapshot.pods[ordinal]
    revision = snapshot.revisions[statefulset["status"]["updateRevision"]]
    return ReplicaPlan(
        ordinal=ordinal,
        pod=name_of(pod),
        pod_uid=uid_of(pod),
        pod_manifest=new_pod(statefulset, revision, pod, ordinal),
        node=pod["spec"].get("nodeName", ""),
        grace_seconds=float(
            pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
        ),
        claims=tuple(
            _claim_plan(
                snapshot, claim_name(name_of(template), name_of(statefulset), ordinal), keys
            )
            for template in claim_templates_of(statefulset)
        ),
    )


def _claim_plan(snapshot: Snapshot, name: str, keys: set[str]) -> ClaimPlan:
    """One claim's part of the plan."""
    claim = snapshot.claims[name]
    volume = snapshot.volumes[claim["spec"]["volumeName"]]
    look = snapshot.disks[name]
    if look.file is None:
        raise ValueError(f"the disk of claim {name} was not found in vCenter")
    csi_class = snapshot.request.csi_class
    return ClaimPlan(
        name=name,
        uid=uid_of(claim),
        old_volume=name_of(volume),
        old_volume_uid=uid_of(volume),
        reclaim_policy=volume["spec"]["persistentVolumeReclaimPolicy"],
        volume_path=volume["spec"]["vsphereVolume"]["volumePath"],
        file=look.file,
        disk_id=look.disk.id if look.disk else "",
        new_volume=new_volume_name(volume),
        new_volume_manifest=new_volume(volume, claim, csi_class, keys),
        new_claim_manifest=new_claim(claim, new_volume_name(volume), csi_class),
        old_volume_manifest=restored_volume(volume),
        old_claim_manifest=restored_claim(claim),
    )


def selector_query(selector: Raw) -> str:
    """A LabelSelector in the form that list and watch take."""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join(equal + [_requirement(e) for e in selector.get("matchExpressions") or []])


def _requirement(expression: Raw) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or [])
    match expression["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"
