"""What must be so of one claim, its volume and its disk, on whichever side it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction

from csi_migration.model.evidence import ClaimEvidence, Verdict
from csi_migration.model.objects import Raw, labels_of, name_of, uid_of
from csi_migration.model.plan import ClaimPlan
from csi_migration.model.quantity import parse_quantity

WAYS_ON = "`rolling-migration resume` goes on, `rolling-migration rollback` goes back."
_EQUAL = ("accessModes", "mountOptions", "nodeAffinity", "volumeMode", "storageClassName")
_ODD = "Find out who changed it; the plan is in plan.json of the working directory."
_NO_DELETE = "Delete no claim of it meanwhile. "


def problem(rule: str, subject: str, message: str, resolution: str) -> Verdict:
    """It is not as it should be."""
    return Verdict(rule, subject, is_ok=False, message=message, resolution=resolution)


def fine(rule: str, subject: str, message: str) -> Verdict:
    """It is as it should be."""
    return Verdict(rule, subject, is_ok=True, message=message)


def is_on_csi(claim: ClaimPlan, there: Raw | None) -> bool:
    """Whether the claim names its CSI volume."""
    return there is not None and there["spec"].get("volumeName") == claim.new_volume


# What a run's last look asks for as well -----------------------------------------


def claim_and_disk(claim: ClaimPlan, evidence: ClaimEvidence) -> Iterator[Verdict]:
    """The claim is Bound, and behind its volume is the very VMDK of the backup."""
    subject, there = f"pvc/{claim.name}", evidence.claim
    if there is None or there.get("status", {}).get("phase") != "Bound":
        yield problem("claim-bound", subject, f"claim {claim.name} is not Bound", WAYS_ON)
        return
    if evidence.volume is None:
        message = f"the volume of claim {claim.name} is not there"
        yield problem("claim-bound", subject, message, WAYS_ON)
        return
    yield _bound_both_ways(claim, there, evidence.volume)
    yield _same_disk(claim, evidence)


def _bound_both_ways(claim: ClaimPlan, there: Raw, volume: Raw) -> Verdict:
    subject = f"pvc/{claim.name}"
    reference = volume["spec"].get("claimRef") or {}
    phase = volume.get("status", {}).get("phase")
    if name_of(volume) not in (claim.old_volume, claim.new_volume):
        message = f"claim {claim.name} is bound to {name_of(volume)}, which is not of the plan"
        return problem("claim-bound", subject, message, _ODD)
    if reference.get("uid") != uid_of(there) or phase != "Bound":
        message = f"volume {name_of(volume)} is {phase} and does not name claim {claim.name} back"
        return problem("claim-bound", subject, message, _ODD)
    return fine("claim-bound", subject, f"Bound to {name_of(volume)}, both ways")


def _same_disk(claim: ClaimPlan, evidence: ClaimEvidence) -> Verdict:
    volume = evidence.volume or {}
    subject, source = f"pv/{name_of(volume)}", volume["spec"].get("vsphereVolume")
    if source is not None:
        is_same, wanted = source["volumePath"] == claim.volume_path, claim.volume_path
    else:
        disk = evidence.disk
        is_same, wanted = disk is not None and disk.path == claim.file.path, str(claim.file.path)
    if is_same:
        return fine("volume-disk", subject, f"its disk is {wanted}, the one of the backup")
    return problem(
        "volume-disk",
        subject,
        f"the disk of claim {claim.name} is not {wanted}",
        "Start no pod on it, and look the disk up in vCenter.",
    )


# What only the command asks for --------------------------------------------------


def volume_as_planned(claim: ClaimPlan, volume: Raw) -> Verdict:
    """The volume's spec is the planned one of its side."""
    is_csi = name_of(volume) == claim.new_volume
    planned = claim.new_volume_manifest if is_csi else claim.old_volume_manifest
    differing = sorted(_differing(planned["spec"], volume["spec"]))
    subject = f"pv/{name_of(volume)}"
    if differing:
        message = f"its spec differs from the plan in {', '.join(differing)}"
        return problem("volume-spec", subject, message, _ODD)
    return fine("volume-spec", subject, "its spec is as planned")


def _differing(planned: Raw, now: Raw) -> Iterator[str]:
    yield from (key for key in _EQUAL if planned.get(key) != now.get(key))
    if _storage(now["capacity"]) < _storage(planned["capacity"]):
        yield "capacity"  # more is an expansion, which is what one migrates for
    for source in ("csi", "vsphereVolume"):
        wanted, there = planned.get(source), now.get(source)
        if (wanted is None) is not (there is None):
            yield source
        elif wanted and there:
            yield from (f"{source}.{k}" for k, v in wanted.items() if there.get(k) != v)


def _storage(amounts: Raw) -> Fraction:
    return parse_quantity(amounts["storage"])


def claim_as_planned(claim: ClaimPlan, there: Raw) -> Verdict:
    """The claim's spec and labels are the planned ones; it may have asked for more since."""
    planned = claim.new_claim_manifest if is_on_csi(claim, there) else claim.old_claim_manifest
    differing = [
        key
        for key in planned["spec"].keys() | there["spec"].keys()
        if key != "resources" and planned["spec"].get(key) != there["spec"].get(key)
    ]
    if labels_of(planned) != labels_of(there):
        differing.append("labels")
    subject = f"pvc/{claim.name}"
    if differing:
        message = f"it differs from the plan in {', '.join(sorted(differing))}"
        return problem("claim-spec", subject, message, _ODD)
    return fine("claim-spec", subject, "its spec is as planned")


def policy_as_planned(claim: ClaimPlan, volume: Raw, *, is_finished: bool) -> Verdict:
    """The policy of the beginning once a run has finished; before that, Retain will do.

    No CSI driver can recycle, so Recycle stays Retain.
    """
    at_first = claim.reclaim_policy if claim.reclaim_policy == "Delete" else "Retain"
    allowed = (at_first,) if is_finished else ("Retain", at_first)
    policy, name = volume["spec"]["persistentVolumeReclaimPolicy"], name_of(volume)
    if policy in allowed:
        return fine("volume-policy", f"pv/{name}", f"its reclaim policy is {policy}")
    patch = f'\'{{"spec":{{"persistentVolumeReclaimPolicy":"{at_first}"}}}}\''
    return problem(
        "volume-policy",
        f"pv/{name}",
        f"its reclaim policy is {policy}, at the beginning it was {claim.reclaim_policy}",
        f"{_NO_DELETE if policy == 'Delete' else ''}kubectl patch pv {name} -p {patch}",
    )


def disk_protected(claim: ClaimPlan, evidence: ClaimEvidence) -> Iterator[Verdict]:
    """A CSI volume's disk outlives its VM, and CNS can attach it."""
    disk = evidence.disk
    if disk is None or evidence.volume is None:
        return
    subject = f"fcd/{disk.id}"
    if disk.keep_after_delete_vm:
        yield fine("disk-protected", subject, "outlives its VM")
    else:
        message = "goes with its VM: keepAfterDeleteVm is not set"
        yield problem("disk-protected", subject, message, "Set the control flag in vCenter.")
    if evidence.registered:
        yield fine("disk-registered", subject, "CNS has it as a volume")
    else:
        message = f"CNS does not know the disk of claim {claim.name}"
        yield problem("disk-registered", subject, message, "Wait for the driver's full sync.")


def disk_held(claim: ClaimPlan, evidence: ClaimEvidence, node: str, machine: str) -> Verdict:
    """The VMDK is on the VM of its pod's node, on no other, and on none without a pod.

    `machine` is empty when nobody can tell which VM the node is.
    """
    subject, holders = f"pvc/{claim.name}", evidence.holders or ()
    wanted = {machine} if node else set()
    seen = f"its disk is held by {_listed(holders)}"
    if node and not machine and len(holders) == 1:
        return fine("disk-held", subject, f"{seen} only (which VM {node} is, can't be told)")
    if set(holders) == wanted:
        return fine("disk-held", subject, seen)
    where = f"its pod runs on {node} ({machine or 'its VM is not known'})" if node else "no pod"
    return problem("disk-held", subject, f"{seen}, and {where}", "Look the disk up in vCenter.")


def _listed(holders: Collection[str]) -> str:
    return ", ".join(sorted(set(holders))) or "no VM"
