"""Says in words where a StatefulSet stands, from what is there now."""

from __future__ import annotations

from csi_migration.engine.companions import pods_by_name
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import ToolError
from csi_migration.model.objects import Raw, is_ready, is_terminating, name_of
from csi_migration.model.plan import ClaimPlan, ReplicaPlan

_BETWEEN = "between volumes (its disks are untouched)"


def state_of(run: Run) -> str:
    """Where the set and each replica stand; says so if that can't be seen."""
    try:
        return f"{_set(run)} {_replicas(run)}"
    except ToolError as error:
        return f"The cluster can't be looked at now ({error.message})."


def _set(run: Run) -> str:
    found = run.systems.client.find(
        resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
    )
    name = f"StatefulSet {run.plan.namespace}/{run.plan.statefulset}"
    if found is None:
        return f"{name} is away; its pods run without a controller."
    if is_terminating(found):
        return f"{name} is being taken away."
    return f"{name} is in place."


def _replicas(run: Run) -> str:
    pods = pods_by_name(run)
    found = run.systems.client.list(resources.CLAIMS, run.plan.namespace)
    claims = {name_of(claim): claim for claim in found}
    words = []
    for replica in run.plan.replicas:
        pod = pods.get(replica.pod)
        presence = "away" if pod is None else "Ready" if is_ready(pod) else "not Ready"
        words.append(f"{replica.pod}: {presence}, {_volumes(replica, claims)}")
    return "; ".join(words) + "."


def _volumes(replica: ReplicaPlan, claims: dict[str, Raw]) -> str:
    kinds = {_volume(claim, claims.get(claim.name)) for claim in replica.claims}
    return kinds.pop() if len(kinds) == 1 else _BETWEEN


def _volume(planned: ClaimPlan, claim: Raw | None) -> str:
    if claim is None or is_terminating(claim):
        return _BETWEEN
    sides = {planned.new_volume: "CSI", planned.old_volume: "in-tree"}
    volume = claim["spec"].get("volumeName", "")
    return sides.get(volume, f"on {volume or 'no volume'}, which is not this migration's")
