"""Which replicas stand for all of a large set, when each of their objects costs a call.

A StatefulSet makes its replicas from one template: their objects differ in what
names the replica, and where people changed single claims or volumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from csi_migration.model.objects import Raw
from csi_migration.model.plan import MigrationPlan, ReplicaPlan

MOST_DRY_RUNS = 100
"""Objects to come that are tried one by one; of a set with more, samples are."""

_POD_INDEX = "apps.kubernetes.io/pod-index"


def is_sampled(plan: MigrationPlan) -> bool:
    """Whether the set has more objects to come than are tried one by one."""
    return 1 + sum(1 + 2 * len(each.claims) for each in plan.replicas) > MOST_DRY_RUNS


def representatives(plan: MigrationPlan) -> tuple[ReplicaPlan, ...]:
    """All replicas of a small set; of a large one the first, the last, and one of each shape."""
    if not is_sampled(plan):
        return plan.replicas
    by_shape: dict[str, ReplicaPlan] = {}
    for replica in plan.replicas:
        by_shape.setdefault(_shape(replica), replica)
    chosen = {plan.replicas[0].ordinal, plan.replicas[-1].ordinal}
    chosen |= {replica.ordinal for replica in by_shape.values()}
    return tuple(replica for replica in plan.replicas if replica.ordinal in chosen)


def _shape(replica: ReplicaPlan) -> str:
    """The replica's objects to come, without what names this replica."""
    text = json.dumps([_unnumbered(each) for each in _manifests(replica)], sort_keys=True)
    for name in sorted(_names(replica), key=len, reverse=True):
        text = text.replace(json.dumps(name), '"…"')
    return text


def _manifests(replica: ReplicaPlan) -> Iterator[Raw]:
    yield replica.pod_manifest
    for claim in replica.claims:
        yield claim.new_volume_manifest
        yield claim.new_claim_manifest


def _names(replica: ReplicaPlan) -> set[str]:
    names = {replica.pod, replica.node}
    for claim in replica.claims:
        names |= {claim.name, claim.old_volume, claim.new_volume, claim.volume_path}
        names |= {claim.disk_id, str(claim.file.path)}
    return names - {""}


def _unnumbered(manifest: Raw) -> Raw:
    labels = manifest["metadata"].get("labels") or {}
    kept = {key: value for key, value in labels.items() if key != _POD_INDEX}
    return manifest | {"metadata": manifest["metadata"] | {"labels": kept}}
