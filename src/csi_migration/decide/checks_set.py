"""Checks of the StatefulSet and its pods."""

from __future__ import annotations

import re
from collections.abc import Iterator

from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    finalizers_of,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    ordinals_of,
)
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING


# 1.34.0 and 1.34.1 may restart every pod of a set that was made by 1.33
# (kubernetes issue 134773); 1.29.0 lost the migrated-plugins annotation (122340).
_MISBEHAVING_SERVERS: dict[tuple[int, ...], str] = {
    (1, 34, 0): "it may restart all pods of re-created StatefulSets (kubernetes issue 134773)",
    (1, 34, 1): "it may restart all pods of re-created StatefulSets (kubernetes issue 134773)",
    (1, 29, 0): "it does not attach in-tree vSphere volumes (kubernetes issue 122340)",
}


# Distributors put their own words behind it: v1.34.1-gke.5, v1.34.1-eks-3025e55, v1.34.1+k3s1.
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?!\d)")
_TRIED = frozenset((1, minor) for minor in range(30, 38))


@check(
    "server-version",
    _WARNING,
    "the API server's version has no known fault that matters here",
    looks_at="the API server's version",
    source="kubernetes issues 134773, 122340",
    resolution="Upgrade the cluster first.",
)
def server_version(snapshot: Snapshot) -> Iterator[Problem]:
    """A release that is known to restart or strand pods."""
    fault = _MISBEHAVING_SERVERS.get(_version(snapshot.server_version))
    if fault:
        version = snapshot.server_version
        yield Problem("server", f"Kubernetes {version}: {fault}", "Upgrade the cluster first.")


def _version(text: str) -> tuple[int, ...]:
    """Major, minor and patch of a server's gitVersion; empty if it is none."""
    found = _VERSION.match(text)
    return tuple(map(int, found.groups())) if found else ()


@check(
    "set-steady",
    _BLOCKER,
    "no rollout, scaling or deletion is under way",
    looks_at="the StatefulSet's deletionTimestamp, generation, replicas and revisions",
    source="kubernetes: stateful_set_control.go:completeRollingUpdate; issue 73492",
    resolution="Wait until the StatefulSet has settled.",
)
def set_steady(snapshot: Snapshot) -> Iterator[Problem]:
    """A set in motion would be frozen half-way by its own re-creation."""
    statefulset = snapshot.statefulset
    for message in _unsteadiness(statefulset):
        yield Problem(snapshot.request.subject, message, "Wait until the StatefulSet has settled.")


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


@check(
    "replicas-ready",
    _BLOCKER,
    "every replica is there and Ready",
    looks_at="every replica's pod; availableReplicas and minReadySeconds",
    source="kubernetes: stateful_set_utils.go:isRunningAndAvailable",
    resolution="Repair the replica first.",
)
def replicas_ready(snapshot: Snapshot) -> Iterator[Problem]:
    """The application must be whole before one replica may leave."""
    ordinals = ordinals_of(snapshot.statefulset)
    if not ordinals:
        yield Problem(snapshot.request.subject, "it has no replicas", "Scale it up first.")
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
        yield Problem(
            snapshot.request.subject, message, "Wait until all have been Ready long enough."
        )


@check(
    "revisions-equal",
    _BLOCKER,
    "every pod runs the set's current revision",
    looks_at="the controller-revision-hash of every pod; the set's ControllerRevisions",
    source="kubernetes: stateful_set_control.go:updateStatefulSet",
    resolution="Finish the rollout first.",
)
def revisions_equal(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod on another revision would be replaced when the set comes back."""
    wanted = snapshot.statefulset.get("status", {}).get("updateRevision")
    if wanted not in snapshot.revisions:
        yield Problem(
            snapshot.request.subject,
            f"its ControllerRevision {wanted} does not exist",
            "Without it every pod would restart; let the set roll out once.",
        )
    for pod in snapshot.pods.values():
        revision = labels_of(pod).get(REVISION_LABEL)
        if revision != wanted:
            message = f"it runs revision {revision or '<none>'}, the set is at {wanted}"
            yield Problem(f"pod/{name_of(pod)}", message, "Finish the rollout first.")


@check(
    "claim-retention",
    _BLOCKER,
    "claims are kept when the set is deleted or scaled down",
    looks_at="spec.persistentVolumeClaimRetentionPolicy",
    source="kubernetes: stateful_set_utils.go:updateClaimOwnerRefForSetAndPod",
    resolution="Set it to Retain for the time of the migration.",
)
def claim_retention(snapshot: Snapshot) -> Iterator[Problem]:
    """With Delete, losing the set in the window would delete its claims."""
    policy = snapshot.statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    for event in ("whenDeleted", "whenScaled"):
        if policy.get(event, "Retain") != "Retain":
            yield Problem(
                snapshot.request.subject,
                f"persistentVolumeClaimRetentionPolicy.{event} is {policy[event]}",
                f"Set {event} to Retain for the time of the migration.",
            )


@check(
    "set-finalizers",
    _BLOCKER,
    "nothing holds the StatefulSet object back from its deletion",
    looks_at="the StatefulSet's finalizers",
    source="kubernetes: registry/generic/registry/store.go:Delete",
    resolution="Find out who set it and have it removed.",
)
def set_finalizers(snapshot: Snapshot) -> Iterator[Problem]:
    """A finalizer would keep the set half deleted while its pods are orphans."""
    for finalizer in finalizers_of(snapshot.statefulset):
        yield Problem(
            snapshot.request.subject,
            f"finalizer {finalizer} would keep it from going away",
            "Find out who set it and have it removed.",
        )


@check(
    "server-supported",
    _WARNING,
    "the API server's version lies between the oldest and the newest that were tried",
    looks_at="the API server's version",
    source="docs/lab.md: the control planes that the tests run on",
    resolution="Try it on a set of less importance first.",
)
def server_supported(snapshot: Snapshot) -> Iterator[Problem]:
    """What controllers do to orphans and claims differs from version to version."""
    if _version(snapshot.server_version)[:2] not in _TRIED:
        words = f"Kubernetes {snapshot.server_version} is older or newer than any that was tried"
        yield Problem("server", words)


@check(
    "update-strategy",
    Severity.NOTE,
    "the set rolls out changes by itself and to all replicas",
    looks_at="spec.updateStrategy",
    source="kubernetes: stateful_set_control.go:updateStatefulSet; issue 73492",
    resolution="Nothing: every replica comes back at the revision that it runs now.",
)
def update_strategy(snapshot: Snapshot) -> Iterator[Problem]:
    """With OnDelete or a partition, pods may be kept at an old revision on purpose."""
    strategy = snapshot.statefulset["spec"].get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if _is_on_delete(snapshot.statefulset):
        yield Problem(snapshot.request.subject, "its update strategy is OnDelete")
    elif partition:
        yield Problem(snapshot.request.subject, f"its rollouts stop at partition {partition}")


@check(
    "single-replica",
    _WARNING,
    "other replicas serve while one is swapped",
    looks_at="spec.replicas",
    source="design of the swap: one replica is away at a time",
    resolution="Scale up first if the application can, or choose a quiet hour.",
)
def single_replica(snapshot: Snapshot) -> Iterator[Problem]:
    """With one replica, its absence is the application's absence."""
    if len(ordinals_of(snapshot.statefulset)) == 1:
        yield Problem(
            snapshot.request.subject,
            "it has one replica: the application is away while that one is swapped",
            "Scale up first if the application can, or choose a quiet hour.",
        )


@check(
    "window",
    _WARNING,
    "the StatefulSet is away only while a replica is swapped",
    looks_at="--window",
    source="kubernetes: without the StatefulSet nothing re-creates its pods",
    resolution="Leave --window at replica, or keep nodes from being drained.",
)
def window(snapshot: Snapshot) -> Iterator[Problem]:
    """In a run-long window no controller replaces a pod that is lost."""
    if snapshot.request.window is Window.RUN:
        yield Problem(
            snapshot.request.subject,
            "with --window run it is away from the first swap to the last: "
            "a drained or evicted pod does not come back in that time",
            "Leave --window at replica, or keep nodes from being drained.",
        )


@check(
    "parallel",
    _BLOCKER,
    "replicas that are swapped at once do not depend on each other's order",
    looks_at="--max-unavailable, spec.podManagementPolicy",
    source="kubernetes: stateful_set_control.go, an OrderedReady set starts a pod only when those "
    "before it are Ready",
    resolution="Leave --max-unavailable at 1.",
)
def parallel(snapshot: Snapshot) -> Iterator[Problem]:
    """An application that is started in order may need its lower ordinals to come up."""
    policy = snapshot.statefulset["spec"].get("podManagementPolicy", "OrderedReady")
    if snapshot.request.max_unavailable > 1 and policy != "Parallel":
        yield Problem(
            snapshot.request.subject,
            f"its podManagementPolicy is {policy}, and --max-unavailable "
            f"{snapshot.request.max_unavailable} would take several replicas away at once",
        )
