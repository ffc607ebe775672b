"""Says in words where a StatefulSet stands, from what is there now."""

from __future__ import annotations

from csi_migration.engine.companions import pods_by_name
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import ToolError
from csi_migration.model.objects import is_ready, is_terminating
from csi_migration.model.plan import ClaimPlan, ReplicaPlan

_BETWEEN = "between volumes (its disks are untouched)"


def state_of(run: Run, swapped: list[str]) -> str:
    """Where the set and each replica stand; says so if that can't be seen."""
    try:
        return f"{_set(run)} {_replicas(run, swapped)}"
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


def _replicas(run: Run, swapped: list[str]) -> str:
    pods = pods_by_name(run)
    words = []
    for replica in run.plan.replicas:
        pod = pods.get(replica.pod)
        presence = "away" if pod is None else "Ready" if is_ready(pod) else "not Ready"
        volumes = "CSI" if replica.pod in swapped else _volumes(run, replica)
        words.append(f"{replica.pod}: {presence}, {volumes}")
    return "; ".join(words) + "."


def _volumes(run: Run, replica: ReplicaPlan) -> str:
    kinds = {_volume(run, claim) for claim in replica.claims}
    return kinds.pop() if len(kinds) == 1 else _BETWEEN


def _volume(run: Run, planned: ClaimPlan) -> str:
    found = run.systems.client.find(resources.CLAIMS, planned.name, run.plan.namespace)
    if found is None:
        return _BETWEEN
    return "CSI" if found["spec"].get("volumeName") == planned.new_volume else "in-tree"
