"""Checks of what watches over the StatefulSet: owners, GitOps, budgets, autoscalers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.decide.selectors import matches
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    Raw,
    annotations_of,
    claim_templates_of,
    class_of,
    is_terminating,
    labels_of,
    name_of,
    ordinals_of,
    owners_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING
_NOTE = Severity.NOTE

# Marks of tools that apply their manifests again by themselves, and how each is paused.
_GITOPS_MARKS = {
    "argocd.argoproj.io/tracking-id": (
        "Argo CD",
        "Switch off the Application's automated sync (`spec.syncPolicy.automated`)",
    ),
    "kustomize.toolkit.fluxcd.io/name": (
        "Flux's kustomize-controller",
        "Suspend its Kustomization (`flux suspend kustomization`)",
    ),
    "helm.toolkit.fluxcd.io/name": (
        "Flux's helm-controller",
        "Suspend its HelmRelease (`flux suspend helmrelease`)",
    ),
    "objectset.rio.cattle.io/hash": ("Rancher Fleet", "Pause the GitRepo (`spec.paused: true`)"),
    "kapp.k14s.io/app": (
        "kapp",
        "If kapp-controller runs it, pause its App or PackageInstall (`spec.paused: true`)",
    ),
    "app.oam.dev/name": ("KubeVela", "Suspend the Application's workflow"),
}
# Each of Flux's controllers leaves alone what bears its own mark, and knows no other's.
_FLUX_PAUSES = {
    "kustomize.toolkit.fluxcd.io/name": "kustomize.toolkit.fluxcd.io/reconcile",
    "helm.toolkit.fluxcd.io/name": "helm.toolkit.fluxcd.io/driftDetection",
}
_KAPP = "kapp.k14s.io/app"
_INSTANCE, _TRACKING = "app.kubernetes.io/instance", "argocd.argoproj.io/tracking-id"
_HELM_RELEASE = "meta.helm.sh/release-name"

_MANAGED_BY = "app.kubernetes.io/managed-by"
# Words in an owner's API group or in managed-by, and how that operator is paused. The first
# that fits wins: Crunchy's group is postgres-operator.crunchydata.com.
_OPERATORS = {
    "cnpg": "CloudNativePG: it works without StatefulSets; see who made this one",
    "crunchydata": "set `spec.paused: true` on the PostgresCluster",
    "postgres-operator": "scale its operator's Deployment to 0",
    "zalan": "scale its operator's Deployment to 0",
    "percona": "scale its operator's Deployment to 0",
    "strimzi": 'annotate the cluster `strimzi.io/pause-reconciliation: "true"`',
    "k8s.elastic": 'annotate the cluster `eck.k8s.elastic.co/managed: "false"`',
    "elastic-operator": 'annotate the cluster `eck.k8s.elastic.co/managed: "false"`',
    "rabbitmq": 'label the cluster `rabbitmq.com/pauseReconciliation: "true"`',
    "mongodb": "scale its operator's Deployment to 0",
    "redis": "scale its operator's Deployment to 0",
    "monitoring.coreos": "set `spec.paused: true` on its owner",
    "prometheus-operator": "set `spec.paused: true` on its owner",
    "cassandra": "scale its operator's Deployment to 0",
    "mysql": "scale its operator's Deployment to 0",
}


def class_lines(snapshot: Snapshot) -> str:
    """What has to change at the source, template by template."""
    templates = claim_templates_of(snapshot.statefulset)
    return "; ".join(
        f"volumeClaimTemplates[{name_of(template)}].spec.storageClassName: "
        f"{class_of(template) or '(none)'} -> {snapshot.request.csi_class}"
        for template in templates
    )


@check(
    "set-owner",
    _BLOCKER,
    "no controller owns the StatefulSet",
    looks_at="the StatefulSet's ownerReferences",
    source="kubernetes: the owner's own loop creates it again with the old claim templates",
    resolution="Migrate through its operator, or take the ownership off and pause the operator.",
)
def set_owner(snapshot: Snapshot) -> Iterator[Problem]:
    """An operator would re-create the set in the middle of a swap."""
    for owner in owners_of(snapshot.statefulset):
        if owner.get("controller"):
            group = str(owner.get("apiVersion", "")).rpartition("/")[0]
            yield Problem(
                snapshot.request.subject,
                f"{owner['kind']}/{owner['name']} controls it and would re-create it",
                _operator_pause(f"{group} {owner['kind']}".lower()),
            )


def _operator_pause(mark: str) -> str:
    for word, pause in _OPERATORS.items():
        if word in mark:
            return f"Take the ownership off, pause the operator ({pause}), and change its class."
    return ""


@check(
    "operator",
    Severity.NEEDS_ACCEPTANCE,
    "no operator is known to manage the StatefulSet",
    looks_at="the StatefulSet's label app.kubernetes.io/managed-by",
    source="the operators' own documents; an owner reference is the check set-owner",
    resolution="Pause the operator, and change the class in its own object.",
)
def operator(snapshot: Snapshot) -> Iterator[Problem]:
    """An operator without an owner reference puts the set back just the same."""
    manager = labels_of(snapshot.statefulset).get(_MANAGED_BY, "")
    known = any(word in manager.lower() for word in _OPERATORS)
    if known or manager.lower().endswith("operator"):
        message = f"{manager} manages it, by its label {_MANAGED_BY}"
        yield Problem(snapshot.request.subject, message, _operator_pause(manager.lower()))


@check(
    "gitops",
    Severity.NEEDS_ACCEPTANCE,
    "no tool that applies its manifests again by itself marks the StatefulSet as its own",
    looks_at="the StatefulSet's labels and annotations",
    source="Argo CD: resource tracking; Flux: kustomize-controller; Fleet; kapp; KubeVela",
    resolution="Pause it for this set and change storageClassName at the source.",
)
def gitops(snapshot: Snapshot) -> Iterator[Problem]:
    """A loop that re-applies the old claim templates makes the set again in the window; the
    tool then stops. After the migration the old manifest can't be applied: templates are
    immutable.
    """
    marks = labels_of(snapshot.statefulset) | annotations_of(snapshot.statefulset)
    for mark, (tool, pause) in _GITOPS_MARKS.items():
        pausing = _FLUX_PAUSES.get(mark, "")
        if mark in marks and marks.get(pausing) == "disabled":
            yield _paused(snapshot, tool, pausing)
        elif mark in marks:
            # kapp's own command line sets its mark, too, and does nothing by itself.
            weight = _WARNING if mark == _KAPP else None
            yield _gitops_problem(snapshot, f"{tool} manages it", pause, weight)
    if _INSTANCE in marks and not marks.keys() & {_TRACKING, _HELM_RELEASE}:
        yield _perhaps_argo(snapshot, marks[_INSTANCE])


def _paused(snapshot: Snapshot, tool: str, mark: str) -> Problem:
    """Nothing here tells whether the source has the mark, too. One that stands on the set alone
    is gone with it while a replica is swapped, and Flux then makes the set that its source
    has (fluxcd/pkg: ssa/manager_apply.go:shouldSkipApply looks at either).
    """
    message = f"{tool} manages it, and is paused by {mark}: disabled on the set itself"
    keep = (
        "Leave that mark on, and see that the manifest at the source has it, too: without it "
        "there Flux makes the set again while it is away"
    )
    return _gitops_problem(snapshot, message, keep, _WARNING)


def _perhaps_argo(snapshot: Snapshot, instance: str) -> Problem:
    """Argo CD's label tracking uses a label that many others set."""
    message = f"Argo CD may manage it, by its label {_INSTANCE}: {instance}"
    look = f"If there is an Application {instance}, switch off its automated sync"
    return _gitops_problem(snapshot, message, look, _NOTE)


def _gitops_problem(
    snapshot: Snapshot, message: str, pause: str, severity: Severity | None
) -> Problem:
    resolution = f"{pause}; before you end the pause change at the source: {class_lines(snapshot)}."
    return Problem(snapshot.request.subject, message, resolution, severity)


@check(
    "helm",
    _WARNING,
    "the StatefulSet is no part of a Helm release",
    looks_at="the StatefulSet's annotation meta.helm.sh/release-name",
    source="helm: three-way merge at upgrade; kubernetes: claim templates are immutable",
    resolution="Change the chart's values for the class before the next upgrade.",
)
def helm(snapshot: Snapshot) -> Iterator[Problem]:
    """Helm does nothing by itself, but its next upgrade fails until the values name the new
    class: the claim templates of a StatefulSet can't be changed.
    """
    release = annotations_of(snapshot.statefulset).get(_HELM_RELEASE)
    if release:
        yield Problem(
            snapshot.request.subject,
            f"it belongs to Helm release {release}",
            f"Before the next `helm upgrade` change in its values: {class_lines(snapshot)}.",
        )


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
