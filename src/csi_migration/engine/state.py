"""Says in words where a StatefulSet stands, from what is there now."""

from __future__ import annotations

from csi_migration.engine.companions import pods_by_name
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import ToolError
from csi_migration.model.objects import is_ready


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
    return f"{name} is in place."


def _replicas(run: Run, swapped: list[str]) -> str:
    pods = pods_by_name(run)
    words = []
    for replica in run.plan.replicas:
        pod = pods.get(replica.pod)
        presence = "away" if pod is None else "Ready" if is_ready(pod) else "not Ready"
        volumes = "CSI" if replica.pod in swapped else _volumes(run, replica.claims[0].name)
        words.append(f"{replica.pod}: {presence}, {volumes}")
    return "; ".join(words) + "."


def _volumes(run: Run, claim: str) -> str:
    found = run.systems.client.find(resources.CLAIMS, claim, run.plan.namespace)
    if found is None:
        return "between volumes (its disk is untouched)"
    volume = found["spec"].get("volumeName", "")
    is_new = any(
        volume == planned.new_volume for replica in run.plan.replicas for planned in replica.claims
    )
    return "CSI" if is_new else "in-tree"
