"""Checks of permissions, of the working directory and of the objects to come."""

from __future__ import annotations

import re
from collections.abc import Iterator

from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.decide.webhooks import seen_by, written
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    Raw,
    annotations_of,
    name_of,
    spec_without_templates,
)
from csi_migration.model.snapshot import DryRun, Snapshot

_BLOCKER = Severity.BLOCKER


_SCC = "openshift.io/scc"


_UNASKED = "does not support dry run"


_WITHOUT_EFFECTS = ("None", "NoneOnDryRun")


_EXCEEDED = re.compile(r"exceeded quota: [^,]*, requested: (?P<resources>.*?), used: ")


_OF_ONE_CLASS = ".storageclass.storage.k8s.io/"


@check(
    "permissions",
    _BLOCKER,
    "the identity may do all that a migration needs",
    looks_at="a SelfSubjectAccessReview for each request that a migration makes",
    source="deploy/rbac-user-cluster.yaml",
    resolution="Grant it: see deploy/rbac-user-cluster.yaml.",
)
def permissions(snapshot: Snapshot) -> Iterator[Problem]:
    """A refusal half-way would leave a replica away."""
    for permission in snapshot.denied:
        message = f"it may not {permission}"
        yield Problem("identity", message, "Grant it: see deploy/rbac-user-cluster.yaml.")


@check(
    "working-directory",
    _BLOCKER,
    "a migration can begin in the working directory, and its backup has room there",
    looks_at="the folder of --working-directory: its lock, what it holds, whether it can be "
    "written to, and the free space against the size of the set's objects",
    source="design of the tool: nothing is changed before the backup is on a disk",
    resolution="Give a directory that is empty or not there yet, on a disk with room.",
    if_given="directory",
)
def working_directory(snapshot: Snapshot) -> Iterator[Problem]:
    """A disk that fills up stops the run in the middle, with a replica away. Preflight looks at
    the directory if it is given; `rolling-migration all` always does.
    """
    look = snapshot.directory
    if look and look.problem:
        yield Problem(f"directory/{look.path}", look.problem, look.resolution)


@check(
    "dry-runs",
    _BLOCKER,
    "the API server accepts every object to come",
    looks_at="a server-side dry-run of every object to come; of a large set, samples at first",
    source="kubernetes: webhook/errors/statuserror.go:NewDryRunUnsupportedErr",
    resolution="Clear what the server objects to.",
    needs="dry_runs",
)
def dry_runs(snapshot: Snapshot) -> Iterator[Problem]:
    """Quotas, policies and webhooks say no before anything is deleted, not after."""
    for answer in snapshot.dry_runs:
        if not answer.accepted:
            yield _refusal(answer)


def _refusal(answer: DryRun) -> Problem:
    """What a refusal is worth: not every one speaks of the object to come.

    A webhook with side effects is not asked at all in a dry run (kubernetes:
    webhook/errors/statuserror.go:NewDryRunUnsupportedErr). And the old object
    still counts against the quotas that the new one is measured with.
    """
    if _UNASKED in answer.message:
        return Problem(
            answer.subject,
            f"whether the server would accept it is unknown: {answer.message}",
            "Make sure that the webhook lets it pass.",
            known=False,
        )
    if _is_freed_by_the_old(answer.message):
        return Problem(
            answer.subject,
            f"it is refused while the old object is there, too: {answer.message}",
            "The old object's deletion makes room for it; see that nothing else takes it.",
            Severity.WARNING,
        )
    message = f"the server would refuse it: {answer.message}"
    return Problem(answer.subject, message, "Clear what the server objects to.")


def _is_freed_by_the_old(message: str) -> bool:
    """A quota of one StorageClass is not: the old claim counts for another class.

    "requested" lists exactly the resources whose limits would be passed
    (kubernetes: admission/plugin/resourcequota/controller.go:CheckRequest).
    """
    exceeded = _EXCEEDED.search(message)
    return exceeded is not None and _OF_ONE_CLASS not in exceeded["resources"]


@check(
    "webhooks-asked",
    _BLOCKER,
    "a dry-run asks every admission webhook that sees the objects to come",
    looks_at="MutatingWebhookConfigurations and ValidatingWebhookConfigurations for StatefulSets, "
    "Pods, PersistentVolumeClaims and PersistentVolumes",
    source="kubernetes: webhook/errors/statuserror.go:NewDryRunUnsupportedErr; "
    "admissionregistration.k8s.io/v1: sideEffects",
    resolution="Make sure that the webhook lets them pass, or have its sideEffects set to None or "
    "NoneOnDryRun.",
)
def webhooks_asked(snapshot: Snapshot) -> Iterator[Problem]:
    """A webhook with side effects is not asked in a dry-run: what it says of an object is first
    heard when its replica is away. Configurations of admissionregistration.k8s.io/v1beta1 may
    have such, and live on.
    """
    if snapshot.webhooks is None:
        message = "whether any admission webhook can't be asked in a dry-run can't be seen"
        resolution = "Grant the lists of webhooks: see deploy/rbac-user-cluster.yaml."
        yield unknown("server", message, resolution)
    kinds, namespace = written(snapshot), snapshot.namespace or {"metadata": {}}
    for subject, configuration in (snapshot.webhooks or {}).items():
        for webhook in configuration.get("webhooks") or []:
            effects = webhook.get("sideEffects") or "Unknown"
            seen = ", ".join(seen_by(webhook, kinds, namespace))
            if seen and effects not in _WITHOUT_EFFECTS:
                words = f"{webhook['name']} has sideEffects {effects}, so a dry-run does not ask it"
                yield unknown(subject, f"{words}: what it says of each {seen} is not known")


@check(
    "template-unchanged",
    _BLOCKER,
    "the set's spec and its pod template survive the re-creation",
    looks_at="the StatefulSet that a dry-run of its creation returns",
    source="kubernetes: statefulset strategy and revision: getPatch",
    resolution="Find the admission webhook or default that changes it.",
    needs="dry_runs",
)
def template_unchanged(snapshot: Snapshot) -> Iterator[Problem]:
    """Another template is a new revision, and a new revision restarts every pod.

    Any other difference would be a set that behaves in another way than before.
    """
    subject = snapshot.request.subject
    answers = (answer.returned or {} for answer in snapshot.dry_runs)
    again = next((one for one in answers if one.get("kind") == "StatefulSet"), None)
    if again is None:
        message = "how it would come back is unknown: the dry-run of its creation was refused"
        resolution = "Clear what refused it to see whether anything changes the set."
        yield unknown(subject, message, resolution)
    elif fields := _differing(snapshot.statefulset, again):
        outcome = ", so every pod would restart" if "template" in fields else ""
        yield Problem(
            subject,
            f"a re-created set would come back with another {', '.join(fields)}{outcome}",
            "Find the admission webhook or default that changes it.",
        )


@check(
    "pods-admitted",
    Severity.NEEDS_ACCEPTANCE,
    "a pod that this identity makes is admitted as its controller's was",
    looks_at="securityContexts, service account, runtime class and openshift.io/scc of every pod, "
    "and of the pod that a dry-run of its creation returns",
    source="openshift: SecurityContextConstraints are those of the pod's creator, too; policies "
    "may exempt administrators",
    resolution="Run the tool as the narrow account of deploy/, which no policy favours.",
    needs="dry_runs",
)
def pods_admitted(snapshot: Snapshot) -> Iterator[Problem]:
    """As another user, or without its fsGroup, a replica can't write to its disk, or writes what
    its controller's next pod can't read.
    """
    pods = {f"pod/{name_of(pod)}": pod for pod in snapshot.pods.values()}
    for answer in snapshot.dry_runs:
        there = pods.get(answer.subject)
        if there is None or answer.returned is None:
            continue
        before, then = _admitted(there), _admitted(answer.returned)
        if differing := sorted(key for key in before | then if before.get(key) != then.get(key)):
            yield Problem(answer.subject, f"it would come back with another {', '.join(differing)}")


def _admitted(pod: Raw) -> dict[str, object]:
    """What admission decides by who makes the pod; empty and absent are the same."""
    spec = pod["spec"]
    found = {
        "securityContext": spec.get("securityContext"),
        "serviceAccountName": spec.get("serviceAccountName"),
        "runtimeClassName": spec.get("runtimeClassName"),
        _SCC: annotations_of(pod).get(_SCC),
    }
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        found[f"securityContext of {container['name']}"] = container.get("securityContext")
    return {key: value for key, value in found.items() if value}


def _differing(statefulset: Raw, other: Raw) -> list[str]:
    one, other = spec_without_templates(statefulset), spec_without_templates(other)
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
