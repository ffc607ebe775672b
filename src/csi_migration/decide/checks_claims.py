"""Checks of classes and claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csi_migration.decide.checks_volumes import claims_by_ordinal, pairs, volume_of
from csi_migration.decide.preflight import Problem, check
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    CSI_DRIVER,
    IN_TREE_PROVISIONER,
    Raw,
    claim_templates_of,
    is_terminating,
    name_of,
)
from csi_migration.model.quantity import parse_quantity
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING
# kubernetes: the provisioner of classes whose volumes are made by hand.
_NO_PROVISIONER = "kubernetes.io/no-provisioner"


@check(
    "classes",
    _BLOCKER,
    "both StorageClasses exist and are of the right provisioners",
    looks_at="both StorageClasses",
    source="the flags' meaning",
    resolution="Check --intree-storageclass and --csi-storageclass.",
)
def classes(snapshot: Snapshot) -> Iterator[Problem]:
    """Swapped or misspelt classes would make volumes of the wrong kind.

    The CSI class makes the volumes of replicas to come. The in-tree class makes none any
    more: static volumes may be of a class that nobody ever created, or that makes none.
    """
    request = snapshot.request
    for problem in _class_problem(snapshot, request.intree_class, IN_TREE_PROVISIONER, "intree"):
        yield (
            problem
            if _makes_others(snapshot)
            else replace(
                problem,
                resolution=f"{problem.resolution} If its volumes were made by hand, accept it.",
                severity=Severity.NEEDS_ACCEPTANCE,
            )
        )
    yield from _class_problem(snapshot, request.csi_class, CSI_DRIVER, "csi")


def _makes_others(snapshot: Snapshot) -> bool:
    """Whether the in-tree class is there and makes volumes of another kind."""
    found = snapshot.classes.get(snapshot.request.intree_class)
    return found is not None and found["provisioner"] != _NO_PROVISIONER


def _class_problem(snapshot: Snapshot, name: str, wanted: str, flag: str) -> Iterator[Problem]:
    found = snapshot.classes.get(name)
    subject = f"storageclass/{name}"
    if found is None:
        yield Problem(subject, "it does not exist", f"Check --{flag}-storageclass.")
    elif found["provisioner"] != wanted:
        message = f"its provisioner is {found['provisioner']}, not {wanted}"
        yield Problem(subject, message, f"Check --{flag}-storageclass.")


@check(
    "claim-templates",
    _BLOCKER,
    "the set has claim templates",
    looks_at="spec.volumeClaimTemplates",
    source="nothing to migrate without",
    resolution="There is nothing to migrate.",
)
def claim_templates(snapshot: Snapshot) -> Iterator[Problem]:
    """Without templates there is nothing to migrate."""
    if not claim_templates_of(snapshot.statefulset):
        subject = snapshot.request.subject
        yield Problem(subject, "it has no volumeClaimTemplates", "There is nothing to migrate.")


@check(
    "claims-bound",
    _BLOCKER,
    "every replica has all its claims, Bound both ways",
    looks_at="every claim and its volume",
    source="kubernetes: persistentvolume/pv_controller.go:syncBoundClaim",
    resolution="Repair the binding first.",
)
def claims_bound(snapshot: Snapshot) -> Iterator[Problem]:
    """Claim and volume must name each other, or one of them is somebody else's."""
    for _, name in claims_by_ordinal(snapshot):
        claim = snapshot.claims.get(name)
        for message in _binding_problems(snapshot, claim):
            yield Problem(f"pvc/{name}", message, "Repair the binding first.")


def _binding_problems(snapshot: Snapshot, claim: Raw | None) -> Iterator[str]:
    if claim is None:
        yield "it does not exist"
        return
    phase = claim.get("status", {}).get("phase")
    if phase != "Bound":
        yield f"it is {phase}, not Bound"
        return
    volume = volume_of(snapshot, claim)
    if volume is None:
        yield f"its volume {claim['spec'].get('volumeName')} does not exist"
    elif (volume["spec"].get("claimRef") or {}).get("uid") != claim["metadata"]["uid"]:
        yield f"its volume {name_of(volume)} refers to another claim"
    if is_terminating(claim) or (volume and is_terminating(volume)):
        yield "the claim or its volume is being deleted"


@check(
    "claims-unshared",
    _BLOCKER,
    "no other pod uses a claim of the set",
    looks_at="all pods of the namespace",
    source="kubernetes: pvcprotection/pvc_protection_controller.go",
    resolution="End the other pod first.",
)
def claims_unshared(snapshot: Snapshot) -> Iterator[Problem]:
    """A claim in use by another pod is never let go (pvc-protection)."""
    own = {name: f"{snapshot.request.statefulset}-{o}" for o, name in claims_by_ordinal(snapshot)}
    for pod in snapshot.namespace_pods:
        for used in pod["spec"].get("volumes") or []:
            name = (used.get("persistentVolumeClaim") or {}).get("claimName", "")
            if own.get(name, name_of(pod)) != name_of(pod):
                message = f"pod {name_of(pod)} uses it too"
                yield Problem(f"pvc/{name}", message, "End the other pod first.")


@check(
    "claims-settled",
    _BLOCKER,
    "no claim is being resized or modified",
    looks_at="status and sizes of every claim and its volume",
    source="kubernetes: persistentvolumeclaim resize status (KEP 1790)",
    resolution="Wait until it is done.",
)
def claims_settled(snapshot: Snapshot) -> Iterator[Problem]:
    """A new claim forgets a resize that its predecessor was in the middle of."""
    for claim, volume in pairs(snapshot):
        status = claim.get("status", {})
        pending = [c["type"] for c in status.get("conditions") or [] if c["status"] == "True"]
        if pending or status.get("allocatedResourceStatuses"):
            message = f"it is in the middle of a change: {', '.join(pending) or 'resizing'}"
            yield Problem(f"pvc/{name_of(claim)}", message, "Wait until it is done.")
        elif message := _size_problem(claim, volume):
            yield Problem(f"pvc/{name_of(claim)}", message, "Finish the resize first.")


def _size_problem(claim: Raw, volume: Raw) -> str:
    """A claim may have got more than it asked for, but not less."""
    asked = claim["spec"]["resources"]["requests"]["storage"]
    size = volume["spec"]["capacity"]["storage"]
    given = (claim.get("status", {}).get("capacity") or {}).get("storage", size)
    if parse_quantity(asked) > parse_quantity(given):
        return f"it asks for {asked} and has {given}"
    if parse_quantity(given) != parse_quantity(size):
        return f"it has {given} and its volume {size}"
    return ""
