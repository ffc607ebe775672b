"""Checks of the StatefulSet, its pods and what watches over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    annotations_of,
    finalizers_of,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    ordinals_of,
    owners_of,
)
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING

# 1.34.0 and 1.34.1 may restart every pod of a set that was made by 1.33
# (kubernetes issue 134773); 1.29.0 lost the migrated-plugins annotation (122340).
_MISBEHAVING_SERVERS = {
    "v1.34.0": "it may restart all pods of re-created StatefulSets (kubernetes issue 134773)",
    "v1.34.1": "it may restart all pods of re-created StatefulSets (kubernetes issue 134773)",
    "v1.29.0": "it does not attach in-tree vSphere volumes (kubernetes issue 122340)",
}

_GITOPS_MARKS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
}


def _subject(snapshot: Snapshot) -> str:
    return f"statefulset/{snapshot.request.statefulset}"


@check("server-version", _WARNING, "the API server's version has no known fault that matters here")
def server_version(snapshot: Snapshot) -> Iterator[Problem]:
    """A release that is known to restart or strand pods."""
    fault = _MISBEHAVING_SERVERS.get(snapshot.server_version.split("+")[0])
    if fault:
        version = snapshot.server_version
        yield Problem("server", f"Kubernetes {version}: {fault}", "Upgrade the cluster first.")


@check("set-steady", _BLOCKER, "no rollout, scaling or deletion is under way")
def set_steady(snapshot: Snapshot) -> Iterator[Problem]:
    """A set in motion would be frozen half-way by its own re-creation."""
    statefulset = snapshot.statefulset
    for message in _unsteadiness(statefulset):
        yield Problem(_subject(snapshot), message, "Wait until the StatefulSet has settled.")


def _unsteadiness(statefulset: Raw) -> Iterator[str]:
    status = statefulset.get("status", {})
    wanted = status.get("updateRevision")
    if is_terminating(statefulset):
        yield "it is being deleted"
    if status.get("observedGeneration", 0) != statefulset["metadata"].get("generation", 0):
        yield "its controller has not seen the latest change yet"
    if status.get("replicas", 0) != statefulset["spec"].get("replicas", 1):
        yield "its controller has not made or removed all replicas yet"
    if not _is_on_delete(statefulset) and status.get("currentRevision") != wanted:
        yield (
            f"a rollout is under way or paused: currentRevision {status.get('currentRevision')}, "
            f"updateRevision {wanted}"
        )


def _is_on_delete(statefulset: Raw) -> bool:
    """With OnDelete currentRevision never moves (kubernetes issue 73492).

    What the pods run is the business of `revisions-equal`.
    """
    return (statefulset["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"


@check("replicas-ready", _BLOCKER, "every replica is there and Ready")
def replicas_ready(snapshot: Snapshot) -> Iterator[Problem]:
    """The application must be whole before one replica may leave."""
    ordinals = ordinals_of(snapshot.statefulset)
    if not ordinals:
        yield Problem(_subject(snapshot), "it has no replicas", "Scale it up first.")
    for ordinal in ordinals:
        pod = snapshot.pods.get(ordinal)
        subject = f"pod/{snapshot.request.statefulset}-{ordinal}"
        if pod is None:
            yield Problem(subject, "it does not exist", "Wait until it is back and Ready.")
        elif not is_ready(pod):
            yield Problem(subject, "it is not Ready", "Repair the replica first.")
    yield from _availability_problem(snapshot)


def _availability_problem(snapshot: Snapshot) -> Iterator[Problem]:
    """Ready is not available before minReadySeconds have passed."""
    spec, status = snapshot.statefulset["spec"], snapshot.statefulset.get("status", {})
    replicas = spec.get("replicas", 1)
    unsaid = 0 if spec.get("minReadySeconds") else replicas
    available = status.get("availableReplicas", unsaid)
    if available != replicas:
        message = f"{available} of {replicas} replicas are available"
        yield Problem(_subject(snapshot), message, "Wait until all have been Ready long enough.")


@check("revisions-equal", _BLOCKER, "every pod runs the set's current revision")
def revisions_equal(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod on another revision would be replaced when the set comes back."""
    wanted = snapshot.statefulset.get("status", {}).get("updateRevision")
    if wanted not in snapshot.revisions:
        yield Problem(
            _subject(snapshot),
            f"its ControllerRevision {wanted} does not exist",
            "Without it every pod would restart; let the set roll out once.",
        )
    for pod in snapshot.pods.values():
        revision = labels_of(pod).get(REVISION_LABEL)
        if revision != wanted:
            message = f"it runs revision {revision or '<none>'}, the set is at {wanted}"
            yield Problem(f"pod/{name_of(pod)}", message, "Finish the rollout first.")


@check("claim-retention", _BLOCKER, "claims are kept when the set is deleted or scaled down")
def claim_retention(snapshot: Snapshot) -> Iterator[Problem]:
    """With Delete, losing the set in the window would delete its claims."""
    policy = snapshot.statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    for event in ("whenDeleted", "whenScaled"):
        if policy.get(event, "Retain") != "Retain":
            yield Problem(
                _subject(snapshot),
                f"persistentVolumeClaimRetentionPolicy.{event} is {policy[event]}",
                f"Set {event} to Retain for the time of the migration.",
            )


@check("set-owner", _BLOCKER, "no controller owns the StatefulSet")
def set_owner(snapshot: Snapshot) -> Iterator[Problem]:
    """An operator would re-create the set in the middle of a swap."""
    for owner in owners_of(snapshot.statefulset):
        if owner.get("controller"):
            yield Problem(
                _subject(snapshot),
                f"{owner['kind']}/{owner['name']} controls it and would re-create it",
                "Migrate through its operator, or take the ownership off and pause the operator.",
            )


@check("gitops", _WARNING, "no GitOps tool marks the StatefulSet as its own")
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


@check("set-finalizers", _BLOCKER, "nothing holds the StatefulSet object back from its deletion")
def set_finalizers(snapshot: Snapshot) -> Iterator[Problem]:
    """A finalizer would keep the set half deleted while its pods are orphans."""
    for finalizer in finalizers_of(snapshot.statefulset):
        yield Problem(
            _subject(snapshot),
            f"finalizer {finalizer} would keep it from going away",
            "Find out who set it and have it removed.",
        )


@check("single-replica", _WARNING, "other replicas serve while one is swapped")
def single_replica(snapshot: Snapshot) -> Iterator[Problem]:
    """With one replica, its absence is the application's absence."""
    if len(ordinals_of(snapshot.statefulset)) == 1:
        yield Problem(
            _subject(snapshot),
            "it has one replica: the application is away while that one is swapped",
            "Scale up first if the application can, or choose a quiet hour.",
        )


@check("window", _WARNING, "the StatefulSet is away only while a replica is swapped")
def window(snapshot: Snapshot) -> Iterator[Problem]:
    """In a run-long window no controller replaces a pod that is lost."""
    if snapshot.request.window is Window.RUN:
        yield Problem(
            _subject(snapshot),
            "with --window run it is away from the first swap to the last: "
            "a drained or evicted pod does not come back in that time",
            "Leave --window at replica, or keep nodes from being drained.",
        )


@check("disruption-budget", _BLOCKER, "every disruption budget lets one replica go")
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


@check("autoscaler", _WARNING, "no HorizontalPodAutoscaler scales the set")
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
