"""Sets the reclaim policies: Retain before anything, the old policy after everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from csi_migration.engine.run import Run, closing
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import Conflict, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import Notice, StepDone, StepStarted
from csi_migration.model.objects import (
    Raw,
    finalizers_of,
    is_made_here,
    is_terminating,
    name_of,
    resource_version_of,
    uid_of,
)
from csi_migration.model.plan import ClaimPlan
from csi_migration.model.step import SET_POLICY

# What provisioner and controller put on volumes whose policy is Delete. While
# one stands, its owner has not seen Retain yet and would still delete the disk
# (external-provisioner: controller.go:handleProtectionFinalizer;
# kubernetes: pv_controller.go:modifyDeletionFinalizers).
_DELETION_FINALIZERS = (
    "external-provisioner.volume.kubernetes.io/finalizer",
    "kubernetes.io/pv-controller",
)
_SEEN_SECONDS = 60.0
# A provisioner with client-go's default limit of 5 requests a second takes a few for each.
_SECONDS_PER_VOLUME = 0.5
_RESTORABLE = ("Delete", "Retain")
_TRIES = 5


def retain_everything(run: Run) -> None:
    """Patch every volume of the set to Retain, on both sides, and see everybody know it.

    Raises:
        NeedsPerson: a volume is not the one that was backed up.
        WaitedTooLong: a provisioner has not seen the change.
    """
    run.tell(StepStarted("", "retain", "keep every disk, whatever happens"))
    for claim in _claims(run):
        run.patiently("", partial(_retain, run, claim))
    limit = _SEEN_SECONDS + _SECONDS_PER_VOLUME * sum(1 for _ in _claims(run))
    wait = run.waiter("", "retain", limit, "See that the CSI driver's provisioner is running.")
    for claim in _claims(run):
        while pending := run.patiently("", partial(_pending, run, claim)):
            wait.pause(pending)
    run.tell(StepDone("", "retain", "every volume is Retain", wait.seconds))


def restore_policies(run: Run) -> None:
    """Give every volume that a claim of the set holds the policy that it had at first."""
    run.tell(StepStarted("", "restore-policies", "give back the reclaim policies"))
    wait = run.waiter("", "restore-policies", _SEEN_SECONDS)
    for claim in _claims(run):
        run.patiently("", partial(_give_back, run, claim))
    run.tell(StepDone("", "restore-policies", "", wait.seconds))


def give_back_policies(run: Run) -> None:
    """Give the volumes their policies back, without a word.

    For a run that ends before its first swap: nothing of it stays.
    """
    for claim in _claims(run):
        _give_back(run, claim)


def _give_back(run: Run, claim: ClaimPlan) -> None:
    """Set the old policy, but only on a volume that a living claim holds.

    On a Released volume, Delete would destroy the disk at once. No CSI driver can
    recycle, so Recycle stays Retain.
    """
    if claim.reclaim_policy not in _RESTORABLE:
        return
    name = claim.old_volume
    for _ in range(_TRIES):
        reason = "held by no claim any more"
        holder = run.systems.client.find(resources.CLAIMS, claim.name, run.plan.namespace)
        name = _held_volume(claim, holder)
        volume = run.systems.client.find(resources.VOLUMES, name)
        if volume is None or not _is_held(volume, holder):
            break
        with contextlib.suppress(Conflict):  # the volume was changed since it was judged
            _write_policy(run, volume, claim.reclaim_policy)
            return
        reason = "changed by somebody again and again"
    run.tell(Notice("warning", f"volume {name} is {reason}: it stays Retain"))


def _held_volume(planned: ClaimPlan, claim: Raw | None) -> str:
    """Whichever of the two volumes the claim names."""
    named = str(claim["spec"].get("volumeName")) if claim else ""
    return planned.new_volume if named == planned.new_volume else planned.old_volume


def _is_held(volume: Raw, claim: Raw | None) -> bool:
    reference = volume["spec"].get("claimRef") or {}
    return (
        claim is not None
        and not is_terminating(claim)
        and not is_terminating(volume)
        and volume.get("status", {}).get("phase") == "Bound"
        and reference.get("uid") == uid_of(claim)
    )


def _claims(run: Run) -> Iterator[ClaimPlan]:
    return (claim for replica in run.plan.replicas for claim in replica.claims)


def _volumes(run: Run, claim: ClaimPlan) -> Iterator[Raw]:
    """Those of the claim's two volumes that are there.

    Raises:
        NeedsPerson: one is neither the backed-up one nor made by this tool.
    """
    for name in (claim.old_volume, claim.new_volume):
        volume = run.systems.client.find(resources.VOLUMES, name)
        if volume is None:
            continue
        if uid_of(volume) != claim.old_volume_uid and not is_made_here(volume, run.made):
            raise NeedsPerson(
                f"volume {name} (uid {uid_of(volume)}) was made by somebody else; "
                f"the one that was backed up had uid {claim.old_volume_uid}"
            )
        yield volume


def _retain(run: Run, claim: ClaimPlan) -> None:
    for volume in _volumes(run, claim):
        _write_policy(run, volume, "Retain")


def _write_policy(run: Run, volume: Raw, policy: str) -> None:
    """Patch this very volume, only as it was seen.

    A request that was held on its way may arrive after a later run has given the
    policy back; the version that it names is an old one by then.
    """
    if volume["spec"]["persistentVolumeReclaimPolicy"] == policy:
        return
    run.guard()
    name = name_of(volume)
    metadata = {"uid": uid_of(volume), "resourceVersion": resource_version_of(volume)}
    intent = run.directory.journal.intent(
        step=f"policy/{name}",
        action=f"{SET_POLICY}{policy.lower()}",
        object=_reference(volume, name),
    )
    # What the metadata names is a precondition: the server refuses to change it.
    body = {"metadata": metadata, "spec": {"persistentVolumeReclaimPolicy": policy}}
    with closing(run.directory.journal, intent) as result:
        patched = run.systems.client.patch(resources.VOLUMES, name, body)
        result["resourceVersion"] = resource_version_of(patched)


def _reference(volume: Raw, name: str) -> ObjectRef:
    return ObjectRef(
        kind="PersistentVolume",
        name=name,
        uid=uid_of(volume),
        resource_version=resource_version_of(volume),
    )


def _pending(run: Run, claim: ClaimPlan) -> str:
    """Who has not seen Retain yet, in words; empty when all have."""
    for volume in _volumes(run, claim):
        if volume["spec"]["persistentVolumeReclaimPolicy"] != "Retain":
            raise NeedsPerson(f"somebody set volume {name_of(volume)} back from Retain")
        left = [f for f in finalizers_of(volume) if f in _DELETION_FINALIZERS]
        if left:
            return f"volume {name_of(volume)}: its finalizer {left[0]} has not gone yet"
    return ""
