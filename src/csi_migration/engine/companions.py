"""Looks after the replicas that are not in hand: may this one leave, were they left alone?"""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.checks_set import matching_budgets_of
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    controller_uid_of,
    is_ready,
    labels_of,
    name_of,
    uid_of,
)
from csi_migration.model.plan import ReplicaPlan

_ROOM_SECONDS = 900.0
_ADOPTION_SECONDS = 120.0


def pods_by_name(run: Run) -> dict[str, Raw]:
    """The set's pods, in one call."""
    found = run.systems.client.list(resources.PODS, run.plan.namespace, labels=run.plan.selector)
    names = {replica.pod for replica in run.plan.replicas}
    return {name_of(pod): pod for pod in found if name_of(pod) in names}


def await_room(run: Run, replica: ReplicaPlan) -> None:
    """Wait until the application can do without this replica.

    While the set is there its budgets count; once it is away they take its
    pods for unmanaged ones and say nothing of use
    (kubernetes: disruption.go:getExpectedPodCount).

    Raises:
        WaitedTooLong: it could not; nothing was changed.
    """
    wait = run.waiter(
        replica.pod,
        "room",
        _ROOM_SECONDS,
        "Bring the other replicas up again, then run the migration again.",
    )
    while problem := next(_objections(run, replica), ""):
        wait.pause(problem)


def _objections(run: Run, replica: ReplicaPlan) -> Iterator[str]:
    pods = pods_by_name(run)
    for other in run.plan.replicas:
        if other.pod != replica.pod and not _is_ready(pods.get(other.pod)):
            yield f"{other.pod} is not Ready"
    statefulset = run.systems.client.find(
        resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
    )
    if statefulset is None:
        return
    yield from _unsettled(statefulset)
    yield from _full_budgets(run, statefulset)


def _is_ready(pod: Raw | None) -> bool:
    return pod is not None and is_ready(pod)


def _unsettled(statefulset: Raw) -> Iterator[str]:
    status = statefulset.get("status", {})
    if status.get("observedGeneration", 0) != statefulset["metadata"]["generation"]:
        yield "the StatefulSet's controller has not caught up"
    if status.get("readyReplicas", 0) != statefulset["spec"].get("replicas", 1):
        yield "the StatefulSet does not count all replicas Ready yet"


def _full_budgets(run: Run, statefulset: Raw) -> Iterator[str]:
    budgets = run.systems.client.list(resources.DISRUPTION_BUDGETS, run.plan.namespace)
    for budget in matching_budgets_of(statefulset, budgets):
        if budget.get("status", {}).get("disruptionsAllowed", 0) < 1:
            yield f"disruption budget {name_of(budget)} has no room"


def require_untouched(run: Run, pod_uids: dict[str, str]) -> None:
    """See that the set's return restarted nothing: same revision, same pods.

    Raises:
        NeedsPerson: a rollout began.
    """
    for name, pod in pods_by_name(run).items():
        revision = labels_of(pod).get(REVISION_LABEL)
        if revision != run.plan.revision:
            raise NeedsPerson(
                f"{name} is at revision {revision}, not {run.plan.revision}: a rollout began",
                resolution="Find out what changed the set's pod template.",
            )
        if name in pod_uids and uid_of(pod) != pod_uids[name]:
            raise NeedsPerson(
                f"{name} was replaced while another replica was swapped",
                resolution="Find out who deleted it; the volumes are not affected.",
            )


def await_adoption(run: Run, statefulset_uid: str) -> None:
    """Wait until the set's controller has taken every pod back.

    Raises:
        WaitedTooLong: it has not; the pods run on as orphans.
    """
    wait = run.waiter(
        "", "adopted", _ADOPTION_SECONDS, "See what the controller-manager says about the set."
    )
    while orphans := _orphans(run, statefulset_uid):
        wait.pause(f"not adopted yet: {', '.join(orphans)}")


def _orphans(run: Run, statefulset_uid: str) -> list[str]:
    pods = pods_by_name(run)
    return [
        replica.pod
        for replica in run.plan.replicas
        if replica.pod not in pods or controller_uid_of(pods[replica.pod]) != statefulset_uid
    ]


def settled_set(run: Run) -> Raw | None:
    """The StatefulSet if it is there, at the revision that it must keep.

    Raises:
        NeedsPerson: its controller is rolling out another revision.
    """
    found = run.systems.client.find(
        resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
    )
    updating = (found or {}).get("status", {}).get("updateRevision", run.plan.revision)
    if updating != run.plan.revision:
        raise NeedsPerson(
            f"the StatefulSet rolls out revision {updating} instead of {run.plan.revision}",
            resolution="Find out what changed the set's pod template.",
        )
    return found
