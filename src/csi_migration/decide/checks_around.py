"""Checks of what watches over the StatefulSet: owners, GitOps, budgets, autoscalers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    Raw,
    annotations_of,
    labels_of,
    name_of,
    owners_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING


_GITOPS_MARKS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
}


def _subject(snapshot: Snapshot) -> str:
    return f"statefulset/{snapshot.request.statefulset}"


@check(
    "set-owner",
    _BLOCKER,
    "no controller owns the StatefulSet",
    looks_at="the StatefulSet's ownerReferences",
    source="kubernetes: garbage collector and the owner's own loop",
    resolution="Migrate through its operator, or take the ownership off and pause the operator.",
)
def set_owner(snapshot: Snapshot) -> Iterator[Problem]:
    """An operator would re-create the set in the middle of a swap."""
    for owner in owners_of(snapshot.statefulset):
        if owner.get("controller"):
            yield Problem(
                _subject(snapshot),
                f"{owner['kind']}/{owner['name']} controls it and would re-create it",
                "Migrate through its operator, or take the ownership off and pause the operator.",
            )


@check(
    "gitops",
    _WARNING,
    "no GitOps tool marks the StatefulSet as its own",
    looks_at="the StatefulSet's labels and annotations",
    source="the tools' own marks (Argo CD, Flux, Helm)",
    resolution="Pause it for this set and change storageClassName at the source before you go on.",
)
def gitops(snapshot: Snapshot) -> Iterator[Problem]:
    """A GitOps loop may re-apply the old claim templates at any time."""
    marks = labels_of(snapshot.statefulset) | annotations_of(snapshot.statefulset)
    for tool in sorted({_GITOPS_MARKS[mark] for mark in marks if mark in _GITOPS_MARKS}):
        yield Problem(
            _subject(snapshot),
            f"{tool} manages it",
            f"Pause {tool} for this set and change storageClassName to "
            f"{snapshot.request.csi_class} at the source before you go on.",
        )


@check(
    "disruption-budget",
    _BLOCKER,
    "every disruption budget lets one replica go",
    looks_at="the PodDisruptionBudgets that select the replicas' pods",
    source="kubernetes: disruption.go:getExpectedPodCount",
    resolution="Bring more replicas up, or widen the budget for the migration.",
)
def disruption_budget(snapshot: Snapshot) -> Iterator[Problem]:
    """The tool deletes pods itself, past the eviction API, so it must ask first.

    A budget selects live pods, whose labels may be more than their template's.
    """
    for budget in budgets_covering(snapshot.pods.values(), snapshot.budgets):
        status = budget.get("status", {})
        if status.get("disruptionsAllowed", 0) < 1:
            yield Problem(
                f"poddisruptionbudget/{name_of(budget)}",
                f"it allows no disruption now: {status.get('currentHealthy', 0)} of "
                f"{status.get('desiredHealthy', 0)} needed pods are healthy",
                "Bring more replicas up, or widen the budget for the migration.",
            )


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
        yield Problem(_subject(snapshot), message, resolution)
    for scaler in snapshot.autoscalers or ():
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == ("StatefulSet", snapshot.request.statefulset):
            yield Problem(
                f"horizontalpodautoscaler/{name_of(scaler)}",
                "it may scale the set in the middle of the migration",
                "Pause it: set its minReplicas and maxReplicas to the set's replicas.",
            )


def matches(selector: Raw, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector selects these labels; an empty one selects all."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression_holds(expression, labels) for expression in expressions
    )


def _expression_holds(expression: Raw, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
