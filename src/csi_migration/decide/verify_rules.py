"""What must be so after a migration, of the set and its replicas.

A run's own last look and `rolling-migration verify` share these rules; the
command asks more of each volume (`verify_volumes`).
"""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.last_applied import LAST_APPLIED
from csi_migration.decide.verify_volumes import WAYS_ON, fine, is_on_csi, problem
from csi_migration.model.evidence import ClaimEvidence, Evidence, Verdict
from csi_migration.model.objects import (
    REVISION_LABEL,
    Raw,
    annotations_of,
    changed_fields,
    claim_templates_of,
    class_of,
    controller_uid_of,
    is_ready,
    labels_of,
    name_of,
    owners_of,
    uid_of,
)
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan

_CHANGED = "If you changed the set since the migration, nothing is wrong; else find out who did."


# What a run's last look asks for as well -----------------------------------------


def set_in_place(plan: MigrationPlan, statefulset: Raw | None) -> Verdict:
    """The set is there."""
    subject = f"sts/{plan.statefulset}"
    if statefulset is None:
        return problem("set-in-place", subject, "the StatefulSet is away", WAYS_ON)
    return fine("set-in-place", subject, "in place")


def templates_fit(plan: MigrationPlan, evidence: Evidence) -> Iterator[Verdict]:
    """CSI claim templates as long as one replica is on CSI, else those of the beginning."""
    if evidence.statefulset is None:
        return
    planned = (claim for replica in plan.replicas for claim in replica.claims)
    on_csi = any(is_on_csi(claim, evidence.claims[claim.name].claim) for claim in planned)
    wanted = claim_templates_of(plan.statefulset_manifest if on_csi else plan.original)
    there = {name_of(each): each for each in claim_templates_of(evidence.statefulset)}
    for other in wanted:
        yield _template(plan, name_of(other), there.get(name_of(other)), class_of(other))


def _template(plan: MigrationPlan, name: str, there: Raw | None, wanted: str) -> Verdict:
    subject = f"sts/{plan.statefulset}"
    if there is None or class_of(there) != wanted:
        message = f"claim template {name} is not on class {wanted or '<none>'}"
        return problem("set-templates", subject, message, WAYS_ON)
    return fine("set-templates", subject, f"claim template {name} is on class {wanted or '<none>'}")


def pod_ready(replica: ReplicaPlan, pod: Raw | None) -> Verdict:
    """The replica serves."""
    subject = f"pod/{replica.pod}"
    if pod is None or not is_ready(pod):
        seen = "is not there" if pod is None else "is not Ready"
        return problem("pod-ready", subject, f"{replica.pod} {seen}", "See why with kubectl.")
    return fine("pod-ready", subject, "Ready")


def on_its_side(claim: ClaimPlan, evidence: ClaimEvidence, *, wants_csi: bool) -> Verdict:
    """The claim stands on the volumes that the run was after."""
    subject = f"pvc/{claim.name}"
    side = "a CSI volume" if wants_csi else "its in-tree volume"
    if is_on_csi(claim, evidence.claim) is not wants_csi:
        return problem("claim-side", subject, f"claim {claim.name} is not on {side}", WAYS_ON)
    return fine("claim-side", subject, f"on {side}")


# What only the command asks for --------------------------------------------------


def set_as_before(plan: MigrationPlan, statefulset: Raw) -> Iterator[Verdict]:
    """Everything but the claim templates' class is as it was backed up."""
    subject = f"sts/{plan.statefulset}"
    differing = changed_fields(statefulset, plan.original)
    if _templates_without_class(statefulset) != _templates_without_class(plan.original):
        differing.append("volumeClaimTemplates")
    yield _as_before("set-spec", subject, "spec", differing)
    yield _as_before("set-metadata", subject, "metadata", _other_metadata(plan, statefulset))
    updating = statefulset.get("status", {}).get("updateRevision")
    if updating != plan.revision:
        message = f"it rolls out revision {updating}, {plan.revision} was backed up"
        yield problem("set-revision", subject, message, _CHANGED)
    else:
        yield fine("set-revision", subject, f"at the revision of the backup, {plan.revision}")


def _as_before(rule: str, subject: str, what: str, differing: list[str]) -> Verdict:
    if differing:
        message = f"its {what} differs from the backup in {', '.join(sorted(differing))}"
        return problem(rule, subject, message, _CHANGED)
    return fine(rule, subject, f"its {what} is as it was backed up")


def _other_metadata(plan: MigrationPlan, statefulset: Raw) -> list[str]:
    parts = {"labels": labels_of, "annotations": _own_annotations, "ownerReferences": owners_of}
    return [key for key, of in parts.items() if of(statefulset) != of(plan.original)]


def _own_annotations(statefulset: Raw) -> dict[str, str]:
    """Without kubectl's record of what it applied last, which follows the templates' class."""
    return {k: v for k, v in annotations_of(statefulset).items() if k != LAST_APPLIED}


def _templates_without_class(statefulset: Raw) -> list[Raw]:
    kept = []
    for template in claim_templates_of(statefulset):
        spec = {k: v for k, v in template["spec"].items() if k != "storageClassName"}
        kept.append({"name": name_of(template), "labels": labels_of(template), "spec": spec})
    return kept


def pod_as_before(
    plan: MigrationPlan, replica: ReplicaPlan, pod: Raw, statefulset: Raw | None
) -> Iterator[Verdict]:
    """The pod belongs to the set and is at the revision of the backup."""
    subject, revision = f"pod/{replica.pod}", labels_of(pod).get(REVISION_LABEL)
    if revision != plan.revision:
        message = f"at revision {revision}, {plan.revision} was backed up"
        yield problem("pod-revision", subject, message, _CHANGED)
    else:
        yield fine("pod-revision", subject, f"at the revision of the backup, {revision}")
    owner = controller_uid_of(pod)
    if statefulset is None or owner != uid_of(statefulset):
        whose = f"owned by uid {owner}" if owner else "an orphan"
        yield problem("pod-owner", subject, f"{whose}, not owned by the StatefulSet", WAYS_ON)
    else:
        yield fine("pod-owner", subject, "owned by the StatefulSet")
