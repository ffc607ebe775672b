"""Which replicas stand for all of a large set, when each of their objects costs a call.

A StatefulSet makes its replicas from one template: their objects differ in what
names the replica, and where people changed single claims or volumes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from csi_migration.model.objects import Raw
from csi_migration.model.plan import MigrationPlan, ReplicaPlan

Objects = Callable[[ReplicaPlan], Iterable[Raw]]
"""Objects of a replica."""

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
    chosen = {plan.replicas[0].ordinal, plan.replicas[-1].ordinal}
    chosen |= {alike[0].ordinal for alike in shapes(plan)}
    return tuple(replica for replica in plan.replicas if replica.ordinal in chosen)


def shapes(plan: MigrationPlan, more: Objects = lambda _: ()) -> list[tuple[ReplicaPlan, ...]]:
    """The replicas whose objects to come differ in nothing but what names the replica,
    together; `more` are other objects of a replica that are to be alike, too.
    """
    by_shape: dict[str, list[ReplicaPlan]] = {}
    for replica in plan.replicas:
        text = json.dumps([nameless(replica, each) for each in (*to_come(replica), *more(replica))])
        by_shape.setdefault(text, []).append(replica)
    return [tuple(alike) for alike in by_shape.values()]


def nameless(replica: ReplicaPlan, manifest: Raw) -> Raw:
    """The object, with `…` for all that names this replica."""
    text = json.dumps(_unnumbered(manifest), sort_keys=True)
    for name in sorted(_names(replica), key=len, reverse=True):
        text = text.replace(json.dumps(name), '"…"')
    found: Raw = json.loads(text)
    return found


def to_come(replica: ReplicaPlan) -> Iterator[Raw]:
    """Its pod, and of each claim the volume and the claim."""
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
