"""Checks of what watches over the StatefulSet: its namespace, budgets, autoscalers, other runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.decide.selectors import matches
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    Raw,
    is_terminating,
    labels_of,
    name_of,
    ordinals_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING


@check(
    "namespace-stays",
    _BLOCKER,
    "the namespace is not being deleted",
    looks_at="the namespace's deletionTimestamp",
    source="kubernetes: admission/plugin/namespace/lifecycle",
    resolution="Nothing can be created in it any more; see who deletes it.",
)
def namespace_stays(snapshot: Snapshot) -> Iterator[Problem]:
    """Nothing can be created in a namespace that goes, and the replica would not come back."""
    if snapshot.namespace is not None and is_terminating(snapshot.namespace):
        yield Problem(f"namespace/{name_of(snapshot.namespace)}", "it is being deleted")


@check(
    "disruption-budget",
    _BLOCKER,
    "every disruption budget lets as many replicas go as are swapped at once",
    looks_at="the PodDisruptionBudgets that select the replicas' pods",
    source="kubernetes: disruption.go:getExpectedPodCount",
    resolution="Bring more replicas up, or widen the budget for the migration.",
)
def disruption_budget(snapshot: Snapshot) -> Iterator[Problem]:
    """The tool deletes pods itself, past the eviction API, so it must ask first.

    A budget selects live pods, whose labels may be more than their template's.
    """
    wanted = snapshot.request.max_unavailable
    for budget in budgets_covering(snapshot.pods.values(), snapshot.budgets):
        status, subject = budget.get("status", {}), f"poddisruptionbudget/{name_of(budget)}"
        if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
            yield unknown(subject, "its controller has not worked out yet what it allows")
        elif status.get("disruptionsAllowed", 0) < 1:
            yield Problem(
                subject,
                f"it allows no disruption now: {status.get('currentHealthy', 0)} of "
                f"{status.get('desiredHealthy', 0)} needed pods are healthy",
            )
        elif status["disruptionsAllowed"] < wanted:
            yield Problem(
                subject,
                f"it allows {status['disruptionsAllowed']} now, fewer than --max-unavailable "
                f"{wanted}",
                "Lower --max-unavailable, or widen the budget for the migration.",
            )


@check(
    "budgets-apart",
    _WARNING,
    "every disruption budget is about this set alone, and every pod has one at most",
    looks_at="the PodDisruptionBudgets and all pods of the namespace",
    source="kubernetes: registry/core/pod/storage/eviction.go",
    resolution="Give each StatefulSet a budget of its own.",
)
def budgets_apart(snapshot: Snapshot) -> Iterator[Problem]:
    """With a budget over several sets, another set's disruption takes the room that was
    looked for; a pod with two budgets can't be evicted at all, so a drain hangs.
    """
    ordinals = ordinals_of(snapshot.statefulset)
    own = {f"{snapshot.request.statefulset}-{ordinal}" for ordinal in ordinals}
    covering = list(budgets_covering(snapshot.pods.values(), snapshot.budgets))
    for budget in covering:
        others = sorted(_selected(budget, snapshot.namespace_pods) - own)
        if others:
            yield Problem(f"poddisruptionbudget/{name_of(budget)}", f"it is about {others[0]} too")
    for pod in snapshot.pods.values():
        names = [name_of(one) for one in budgets_covering([pod], covering)]
        if len(names) > 1:
            yield Problem(f"pod/{name_of(pod)}", f"it has several budgets: {', '.join(names)}")


def _selected(budget: Raw, pods: Iterable[Raw]) -> set[str]:
    selector = budget["spec"]["selector"]
    return {name_of(pod) for pod in pods if matches(selector, labels_of(pod))}


def budgets_covering(pods: Iterable[Raw], budgets: Iterable[Raw]) -> Iterator[Raw]:
    """The budgets that cover at least one of the pods."""
    labels = [labels_of(pod) for pod in pods]
    for budget in budgets:
        selector = budget["spec"].get("selector")
        if selector is not None and any(matches(selector, each) for each in labels):
            yield budget


@check(
    "autoscaler",
    _WARNING,
    "no HorizontalPodAutoscaler scales the set",
    looks_at="HorizontalPodAutoscalers of the namespace",
    source="kubernetes: podautoscaler/horizontal.go",
    resolution="Pause it: set its minReplicas and maxReplicas to the set's replicas.",
)
def autoscaler(snapshot: Snapshot) -> Iterator[Problem]:
    """One that scales between two swaps adds or takes replicas that the plan does not know."""
    if snapshot.autoscalers is None:
        message = "whether a HorizontalPodAutoscaler scales it can't be seen"
        resolution = "Grant list horizontalpodautoscalers.autoscaling, or pause any there is."
        yield unknown(snapshot.request.subject, message, resolution)
    for scaler in snapshot.autoscalers or ():
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == ("StatefulSet", snapshot.request.statefulset):
            message = "it may scale the set in the middle of the migration"
            yield Problem(f"horizontalpodautoscaler/{name_of(scaler)}", message)


@check(
    "unfinished-migration",
    _BLOCKER,
    "no migration of this set is under way or was left half-way",
    looks_at="the Lease and the backup beside the StatefulSet",
    source="design of the tool: one run on one StatefulSet",
    resolution="Go on with `rolling-migration resume` or back with `rolling-migration rollback`, "
    "in the working directory that the migration was begun with.",
)
def unfinished_migration(snapshot: Snapshot) -> Iterator[Problem]:
    """Half of its volumes are CSI already, and what the other half looks like misleads."""
    for words in snapshot.unfinished:
        yield Problem(snapshot.request.subject, words)
