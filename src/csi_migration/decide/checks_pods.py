"""Checks of what the replicas' pods carry and what could take them over."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.decide.selectors import matches
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    claim_name,
    claim_templates_of,
    finalizers_of,
    labels_of,
    name_of,
    owners_of,
    uid_of,
)
from csi_migration.model.snapshot import Snapshot

_LONG_GRACE_SECONDS = 600
_DEFAULT_GRACE_SECONDS = 30
_RESIZES = ("PodResizePending", "PodResizeInProgress")


@check(
    "selector-overlap",
    Severity.BLOCKER,
    "no other controller's selector matches the replicas' pods",
    looks_at="selectors of ReplicaSets, ReplicationControllers, DaemonSets and Jobs",
    source="kubernetes: controller_ref_manager.go:ClaimPods; of another StatefulSet, "
    "stateful_set.go:getPodsForStatefulSet takes the pods of its own name only",
    resolution="Make that controller's selector match its own pods only, or delete it.",
)
def selector_overlap(snapshot: Snapshot) -> Iterator[Problem]:
    """While the set is away its pods have no owner, and whoever selects them adopts them: a
    ReplicaSet would then delete those that it has too many of.
    """
    subject = snapshot.request.subject
    for kind in snapshot.unseen_controllers:
        yield unknown(subject, f"{kind} of its namespace can't be seen", f"Grant list {kind}.")
    for name, controller in snapshot.controllers.items():
        taken = [pod for pod in snapshot.pods.values() if _selects(controller, pod)]
        if taken:
            pods = ", ".join(name_of(pod) for pod in taken)
            yield Problem(name, f"its selector matches {pods} too, and it would adopt them")


def _selects(controller: Raw, pod: Raw) -> bool:
    selector = controller["spec"].get("selector")
    if not selector:
        return False
    is_plain = not ({"matchLabels", "matchExpressions"} & selector.keys())
    return matches({"matchLabels": selector} if is_plain else selector, labels_of(pod))


@check(
    "pod-owners",
    Severity.BLOCKER,
    "the set's controller owns every replica's pod",
    looks_at="the ownerReferences of every replica's pod",
    source="kubernetes: stateful_set.go:getPodsForStatefulSet",
    resolution="Find out who made the pod; let the StatefulSet's controller have it.",
)
def pod_owners(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod of somebody else under a replica's name would be deleted and never come back."""
    wanted = uid_of(snapshot.statefulset)
    for pod in snapshot.pods.values():
        controllers = [owner for owner in owners_of(pod) if owner.get("controller")]
        if not any(owner["uid"] == wanted for owner in controllers):
            owner = controllers[0]["kind"] if controllers else "nobody"
            yield Problem(f"pod/{name_of(pod)}", f"its controller is {owner}, not the set")


@check(
    "pod-finalizers",
    Severity.BLOCKER,
    "nothing holds a replica's pod back from its deletion",
    looks_at="the finalizers of every replica's pod",
    source="kubernetes: registry/generic/registry/store.go:Delete",
    resolution="Find out who set it and have it removed.",
)
def pod_finalizers(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod that never goes keeps its claim, and the replica stays away with its disk."""
    for pod in snapshot.pods.values():
        for finalizer in finalizers_of(pod):
            yield Problem(f"pod/{name_of(pod)}", f"finalizer {finalizer} keeps it from going away")


@check(
    "grace-period",
    Severity.NOTE,
    "every replica stops within ten minutes",
    looks_at="terminationGracePeriodSeconds of every replica's pod",
    source="kubernetes: pod deletion; the tool never shortens it",
    resolution="Nothing, if the application needs that time to stop.",
)
def grace_period(snapshot: Snapshot) -> Iterator[Problem]:
    """The tool gives a pod all of its own time to stop; the replica is away that long."""
    for pod in snapshot.pods.values():
        seconds = pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
        if seconds > _LONG_GRACE_SECONDS:
            yield Problem(f"pod/{name_of(pod)}", f"it may take {seconds} s to stop")


@check(
    "pods-as-template",
    Severity.NOTE,
    "every pod has what its revision's template has, and no more",
    looks_at="containers and labels of every pod, and its ControllerRevision",
    source="kubernetes: stateful_set_utils.go:newStatefulSetPod",
    resolution="See that whoever added them adds them again, as at every restart.",
)
def pods_as_template(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod comes back as its revision says; what was added to the running one does not."""
    for pod in snapshot.pods.values():
        revision = snapshot.revisions.get(labels_of(pod).get(REVISION_LABEL, ""))
        added = list(_added(pod, revision)) if revision else []
        if added:
            yield Problem(f"pod/{name_of(pod)}", f"it was given other things: {', '.join(added)}")


def _added(pod: Raw, revision: Raw) -> Iterator[str]:
    template = revision["data"]["spec"]["template"]
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        known = {one["name"] for one in template["spec"].get(group) or []}
        found = {one["name"] for one in pod["spec"].get(group) or []}
        yield from (f"{word} {name}" for name in sorted(found - known))
    for one in pod["spec"].get("ephemeralContainers") or []:
        yield f"ephemeral container {one['name']}"
    own = (template.get("metadata") or {}).get("labels") or {}
    for key, value in sorted(labels_of(pod).items()):
        if not _is_of_the_controller(key) and own.get(key) != value:
            yield f"label {key}" if key not in own else f"label {key}={value}, not {own[key]}"


def _is_of_the_controller(label: str) -> bool:
    return label == REVISION_LABEL or label.startswith(
        ("statefulset.kubernetes.io/", "apps.kubernetes.io/")
    )


@check(
    "pod-claims",
    Severity.BLOCKER,
    "every pod has the claims that the set's claim templates name for it",
    looks_at="the volumes of every pod, and the volumeClaimTemplates",
    source="kubernetes: stateful_set_utils.go:storageMatches, updateStorage; issue 141876",
    resolution="See where the replica's data are. Have the set make the pod anew if they are in "
    "the claim of its template, or create the set again with the templates that the pod has.",
)
def pod_claims(snapshot: Snapshot) -> Iterator[Problem]:
    """Claim templates are no part of a revision: a set that was created again with others keeps
    its old pods. The pod that comes back gets the template's claim, which the old one never used.
    """
    templates = [name_of(one) for one in claim_templates_of(snapshot.statefulset)]
    for ordinal, pod in snapshot.pods.items():
        found = dict(_claims_of(pod))
        for template in templates:
            wanted = claim_name(template, snapshot.request.statefulset, ordinal)
            if (used := found.get(template)) != wanted:
                message = f"its volume {template} is {used or 'not there'}, not claim {wanted}"
                yield Problem(f"pod/{name_of(pod)}", message)


def _claims_of(pod: Raw) -> Iterator[tuple[str, str]]:
    """Each volume of the pod by name, and the claim that it is, or that it is none."""
    for volume in pod["spec"].get("volumes") or []:
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        yield volume["name"], str(claim or "no claim")


@check(
    "pods-settled",
    Severity.BLOCKER,
    "no pod is being resized",
    looks_at="conditions PodResizePending and PodResizeInProgress of every pod, and status.resize",
    source="kubernetes: core/v1 PodConditionType (KEP 1287); status.resize before 1.33",
    resolution="Wait until it is done, or take the resize back; change the set's template if the "
    "new size shall stay.",
)
def pods_settled(snapshot: Snapshot) -> Iterator[Problem]:
    """The pod comes back with its template's resources: a resize under way is lost, and whoever
    asked for it may ask again while the replica starts.
    """
    for pod in snapshot.pods.values():
        if found := list(_resizing(pod)):
            yield Problem(f"pod/{name_of(pod)}", f"it is being resized: {', '.join(found)}")


def _resizing(pod: Raw) -> Iterator[str]:
    status = pod.get("status") or {}
    for one in status.get("conditions") or []:
        if one["type"] in _RESIZES and one["status"] == "True":
            yield one["type"] + (f" ({one['reason']})" if one.get("reason") else "")
    if status.get("resize"):
        yield f"status.resize {status['resize']}"
