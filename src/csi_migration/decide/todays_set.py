"""The plan of a rollback, by the StatefulSet as it is today.

Weeks may lie between a migration and its rollback, and the set lives on: it is
rolled out, scaled, given a new field. What goes back are its volumes; everything
else stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from csi_migration.decide.manifests import new_pod
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    claim_name,
    claim_templates_of,
    controller_uid_of,
    first_ordinal_of,
    labels_of,
    name_of,
    ordinals_of,
    uid_of,
)
from csi_migration.model.plan import MigrationPlan, ReplicaPlan


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the set of today cannot be taken back, and what clears the way."""

    message: str
    resolution: str


def plan_by(plan: MigrationPlan, statefulset: Raw, revision: Raw | None) -> MigrationPlan:
    """The plan with everything but the volumes as it is today.

    Args:
        plan: as it was made from the backup.
        statefulset: the set of today.
        revision: the ControllerRevision that its pods run, None if it is the
            one of the backup.
    """
    spec = statefulset["spec"]
    templates = claim_templates_of(plan.original)
    original = statefulset | {"spec": spec | {"volumeClaimTemplates": templates}}
    return replace(
        plan,
        revision=name_of(revision) if revision else plan.revision,
        original=original,
        min_ready_seconds=float(spec.get("minReadySeconds", 0)),
        replicas=tuple(_replica_by(each, original, revision) for each in plan.replicas),
    )


def _replica_by(replica: ReplicaPlan, statefulset: Raw, revision: Raw | None) -> ReplicaPlan:
    if revision is None:
        return replica
    pod = new_pod(statefulset, revision, replica.pod_manifest, replica.ordinal)
    grace = pod["spec"].get("terminationGracePeriodSeconds", replica.grace_seconds)
    return replace(replica, pod_manifest=pod, grace_seconds=float(grace))


def revision_of_today(plan: MigrationPlan, statefulset: Raw) -> str:
    """The name of the ControllerRevision that the set's pods have to run."""
    return str(statefulset.get("status", {}).get("updateRevision") or plan.revision)


def obstacles(plan: MigrationPlan, statefulset: Raw, pods: Mapping[str, Raw]) -> Iterator[Obstacle]:
    """What has to be cleared first; `plan` is of the backup, `pods` are by name."""
    yield from _scaled_down(plan, statefulset)
    yield from _rolling_out(plan, statefulset, pods)


def _scaled_down(plan: MigrationPlan, statefulset: Raw) -> Iterator[Obstacle]:
    kept = ordinals_of(statefulset)
    gone = [each.pod for each in reversed(plan.replicas) if each.ordinal not in kept]
    if gone:
        yield Obstacle(
            "the StatefulSet was scaled down since the backup: it no longer has "
            f"{', '.join(gone)}, whose claims would stay behind on CSI volumes",
            f"{_scale_back(plan, statefulset)} and run `rollback` again once all are Ready. "
            "Scale it down again afterwards.",
        )


def _scale_back(plan: MigrationPlan, statefulset: Raw) -> str:
    ordinals = [replica.ordinal for replica in plan.replicas]
    start, lowest = first_ordinal_of(statefulset), min(ordinals)
    if start > lowest:
        count = max(ordinals) - lowest + 1
        return f"Set spec.ordinals.start back to {lowest} and spec.replicas to {count},"
    return (
        f"Scale it back: `kubectl -n {plan.namespace} scale statefulset {plan.statefulset} "
        f"--replicas={max(ordinals) - start + 1}`,"
    )


def _rolling_out(
    plan: MigrationPlan, statefulset: Raw, pods: Mapping[str, Raw]
) -> Iterator[Obstacle]:
    wanted = revision_of_today(plan, statefulset)
    others = {pod: labels_of(pods[pod]).get(REVISION_LABEL) for pod in sorted(pods)}
    behind = [f"{pod} is at {revision}" for pod, revision in others.items() if revision != wanted]
    if behind:
        name = f"-n {plan.namespace} rollout {{}} statefulset {plan.statefulset}"
        yield Obstacle(
            f"a rollout of the StatefulSet to revision {wanted} has not ended: {', '.join(behind)}",
            f"Let it end (`kubectl {name.format('status')}`; a partition or OnDelete holds it) "
            f"or take it back (`kubectl {name.format('undo')}`), and run `rollback` again.",
        )


# A set that somebody made again after the migration had ended -------------------------


def doubts_about_heir(
    plan: MigrationPlan, statefulset: Raw, pods: Mapping[str, Raw], claims: Mapping[str, Raw]
) -> Iterator[str]:
    """Why a set that somebody made again does not hold what was migrated, in words.

    Claim templates are fixed, so people who grow a claim delete the set, leave its pods, and
    apply it again; so do Helm and operators. Its controller takes the pods back by their
    labels and knows the claims by their names (kubernetes: stateful_set.go).
    """
    yield from other_than_then(plan, statefulset)
    kept = ordinals_of(statefulset)
    for replica in plan.replicas:
        if replica.ordinal in kept:
            pod = pods.get(replica.pod)
            if pod is not None and controller_uid_of(pod) != uid_of(statefulset):
                yield f"pod {replica.pod} is not its own"
            yield from _not_ours(replica, claims)


def other_than_then(plan: MigrationPlan, statefulset: Raw) -> Iterator[str]:
    """What of it can't be edited and is not as it was, in words."""
    if statefulset["spec"]["selector"] != plan.original["spec"]["selector"]:
        yield "it selects other pods"
    names = sorted(map(name_of, claim_templates_of(statefulset)))
    if names != sorted(map(name_of, claim_templates_of(plan.original))):
        yield f"its claim templates are {', '.join(names) or 'none'}"


def _not_ours(replica: ReplicaPlan, claims: Mapping[str, Raw]) -> Iterator[str]:
    for claim in replica.claims:
        found = claims.get(claim.name)
        volume = found["spec"].get("volumeName") if found else ""
        if volume not in (claim.old_volume, claim.new_volume):
            yield f"claim {claim.name} is not on the volume of this migration"


# Replicas that the backup does not have -------------------------------------------


def pods_made_since(plan: MigrationPlan) -> tuple[str, ...]:
    """The pods of replicas that the set got after its backup."""
    return tuple(f"{plan.statefulset}-{ordinal}" for ordinal in _ordinals_made_since(plan))


def claims_made_since(plan: MigrationPlan) -> tuple[str, ...]:
    """Their claims, whatever volumes they stand on."""
    return tuple(
        claim_name(name_of(template), plan.statefulset, ordinal)
        for ordinal in _ordinals_made_since(plan)
        for template in claim_templates_of(plan.original)
    )


def all_pods(plan: MigrationPlan) -> tuple[str, ...]:
    """Every pod that the set's controller keeps alive, planned ones first."""
    return (*(replica.pod for replica in plan.replicas), *pods_made_since(plan))


def _ordinals_made_since(plan: MigrationPlan) -> Iterator[int]:
    planned = {replica.ordinal for replica in plan.replicas}
    return (ordinal for ordinal in ordinals_of(plan.original) if ordinal not in planned)
