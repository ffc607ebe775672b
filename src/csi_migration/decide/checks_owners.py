"""Checks of who owns and applies the StatefulSet: operators, GitOps, Helm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    annotations_of,
    claim_templates_of,
    class_of,
    labels_of,
    name_of,
    owners_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING
_NOTE = Severity.NOTE

_ARGO, _KUSTOMIZE, _HELM = "Argo CD", "Flux's kustomize-controller", "Flux's helm-controller"
_FLEET, _KAPP, _CONFIG_SYNC = "Rancher Fleet", "kapp", "Config Sync"
# Tools that apply their manifests again by themselves, and how each is paused.
_PAUSES = {
    _ARGO: "Switch off the Application's automated sync (`spec.syncPolicy.automated`)",
    _KUSTOMIZE: "Suspend its Kustomization (`flux suspend kustomization`)",
    _HELM: "Suspend its HelmRelease (`flux suspend helmrelease`)",
    _FLEET: "Pause the GitRepo (`spec.paused: true`)",
    _KAPP: "If kapp-controller runs it, pause its App or PackageInstall (`spec.paused: true`)",
    "KubeVela": "Suspend the Application's workflow",
    _CONFIG_SYNC: "Take the set out (`configmanagement.gke.io/managed: disabled` at the source)",
}
_TRACKING = "argocd.argoproj.io/tracking-id"
# The label is the one that Argo CD's users are advised to set instead of its default.
_GITOPS_MARKS = {
    _TRACKING: _ARGO,
    "argocd.argoproj.io/instance": _ARGO,
    "kustomize.toolkit.fluxcd.io/name": _KUSTOMIZE,
    "helm.toolkit.fluxcd.io/name": _HELM,
    "objectset.rio.cattle.io/hash": _FLEET,
    "kapp.k14s.io/app": _KAPP,
    "app.oam.dev/name": "KubeVela",
    "configsync.gke.io/resource-id": _CONFIG_SYNC,
}
# Whom the server's own record names. Argo CD calls itself argocd-controller where it applies on
# the server, and after its program elsewhere (argo-cd: common.go:ArgoCDSSAManager; issue 20815);
# helm-controller gives its name to Helm (fluxcd/helm-controller pull request 346).
_GITOPS_MANAGERS = {
    "argocd-controller": _ARGO,
    "argocd-application-controller": _ARGO,
    "kustomize-controller": _KUSTOMIZE,
    "helm-controller": _HELM,
    "fleetagent": _FLEET,
}
# Each of Flux's controllers leaves alone what bears its own mark, and knows no other's.
_FLUX_PAUSES = {
    _KUSTOMIZE: "kustomize.toolkit.fluxcd.io/reconcile",
    _HELM: "helm.toolkit.fluxcd.io/driftDetection",
}
_INSTANCE = "app.kubernetes.io/instance"
_HELM_RELEASE = "meta.helm.sh/release-name"
_HELM_MANAGERS = re.compile(r"helm$|terraform-provider-helm")

_MANAGED_BY = "app.kubernetes.io/managed-by"
# Zalando's postgres-operator sets no other mark (its cluster_labels by default).
_SPILO = ("application", "spilo")
# The program of an operator made with kubebuilder is called so unless somebody renames it.
_PLAIN_MANAGER = "manager"
# Words in an owner's API group, in managed-by or in a field manager's name, and how that
# operator is paused. The first that fits wins: Crunchy's group is
# postgres-operator.crunchydata.com.
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
    "prometheusoperator": "set `spec.paused: true` on its owner",
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


def spec_writers(snapshot: Snapshot) -> dict[str, str]:
    """Who wrote fields of the set's spec, and when last, by the server's own record.

    A list of sets comes without that record: then nobody.
    """
    found: dict[str, str] = {}
    for entry in snapshot.statefulset["metadata"].get("managedFields") or []:
        if "f:spec" in (entry.get("fieldsV1") or {}) and not entry.get("subresource"):
            name, time = str(entry.get("manager", "")), str(entry.get("time") or "")
            found[name] = max(found.get(name, ""), time)
    return found


def _wrote(manager: str, time: str) -> str:
    return f"{manager} wrote fields of its spec" + (f", last at {time}" if time else "")


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
    looks_at="the StatefulSet's labels app.kubernetes.io/managed-by and application; the managers "
    "in its managedFields that wrote its spec",
    source="the operators' own documents; an owner reference is the check set-owner",
    resolution="Pause the operator, and change the class in its own object.",
)
def operator(snapshot: Snapshot) -> Iterator[Problem]:
    """An operator without an owner reference puts the set back just the same."""
    # What tells of several is mostly one and the same operator.
    for manager, message in islice(_operators(snapshot), 1):
        yield Problem(snapshot.request.subject, message, _operator_pause(manager.lower()))


def _operators(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each operator and how it is known."""
    labels = labels_of(snapshot.statefulset)
    manager = labels.get(_MANAGED_BY, "")
    known = any(word in manager.lower() for word in _OPERATORS)
    if known or manager.lower().endswith("operator"):
        yield manager, f"{manager} manages it, by its label {_MANAGED_BY}"
    key, value = _SPILO
    if labels.get(key) == value:
        yield "zalando", f"Zalando's postgres-operator manages it, by its label {key}: {value}"
    for name, time in spec_writers(snapshot).items():
        if name == _PLAIN_MANAGER or name.lower().endswith("operator"):
            yield name, f"an operator manages it: {_wrote(name, time)}"


@check(
    "gitops",
    Severity.NEEDS_ACCEPTANCE,
    "no tool that applies its manifests again by itself marks the StatefulSet as its own",
    looks_at="the StatefulSet's labels and annotations; the managers in its managedFields that "
    "wrote its spec",
    source="Argo CD: resource tracking; Flux: kustomize-controller; Fleet; kapp; KubeVela; "
    "Config Sync",
    resolution="Pause it for this set and change storageClassName at the source.",
)
def gitops(snapshot: Snapshot) -> Iterator[Problem]:
    """A loop that re-applies the old claim templates makes the set again in the window; the
    tool then stops. After the migration the old manifest can't be applied: templates are
    immutable.
    """
    marks = labels_of(snapshot.statefulset) | annotations_of(snapshot.statefulset)
    tools = dict(_tools(snapshot))
    for tool, message in tools.items():
        pausing = _FLUX_PAUSES.get(tool, "")
        if marks.get(pausing) == "disabled":
            yield _paused(snapshot, tool, pausing)
        else:
            # kapp's own command line sets its mark, too, and does nothing by itself.
            weight = _WARNING if tool == _KAPP else None
            yield _gitops_problem(snapshot, message, _PAUSES[tool], weight)
    if _INSTANCE in marks and _ARGO not in tools and _HELM_RELEASE not in marks:
        yield _perhaps_argo(snapshot, marks[_INSTANCE])


def _tools(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each tool that manages the set, once, and how that is known; its own mark goes first."""
    marks = labels_of(snapshot.statefulset) | annotations_of(snapshot.statefulset)
    marking = {tool for mark, tool in _GITOPS_MARKS.items() if mark in marks}
    yield from ((tool, f"{tool} manages it") for tool in _PAUSES if tool in marking)
    for name, time in spec_writers(snapshot).items():
        tool = _GITOPS_MANAGERS.get(name, "")
        if tool and tool not in marking:
            yield tool, f"{tool} manages it: {_wrote(name, time)}"


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
    looks_at="the StatefulSet's annotation meta.helm.sh/release-name; the managers in its "
    "managedFields that wrote its spec",
    source="helm: three-way merge at upgrade; kubernetes: claim templates are immutable",
    resolution="Change the chart's values for the class before the next upgrade.",
)
def helm(snapshot: Snapshot) -> Iterator[Problem]:
    """Helm does nothing by itself, but its next upgrade fails until the values name the new
    class: the claim templates of a StatefulSet can't be changed.
    """
    release = annotations_of(snapshot.statefulset).get(_HELM_RELEASE)
    writers = spec_writers(snapshot).items()
    by_helm = [_wrote(name, time) for name, time in writers if _HELM_MANAGERS.match(name)]
    resolution = f"Before the next `helm upgrade` change in its values: {class_lines(snapshot)}."
    if release:
        message = f"it belongs to Helm release {release}"
        yield Problem(snapshot.request.subject, message, resolution)
    elif by_helm:
        message = f"it belongs to a Helm release: {by_helm[0]}"
        yield Problem(snapshot.request.subject, message, resolution)
