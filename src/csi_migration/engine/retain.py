"""Sets the reclaim policies: Retain before anything, the old policy after everything."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.engine.run import Run
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.objects import Raw, finalizers_of, resource_version_of, uid_of
from csi_migration.model.plan import ClaimPlan

# What provisioner and controller put on volumes whose policy is Delete. While
# one stands, its owner has not seen Retain yet and would still delete the disk
# (external-provisioner: controller.go:handleProtectionFinalizer;
# kubernetes: pv_controller.go:modifyDeletionFinalizers).
_DELETION_FINALIZERS = (
    "external-provisioner.volume.kubernetes.io/finalizer",
    "kubernetes.io/pv-controller",
)
_SEEN_SECONDS = 60.0


def retain_everything(run: Run) -> None:
    """Patch every in-tree volume to Retain and see everybody know it.

    Raises:
        NeedsPerson: a volume is not the one that was backed up.
        WaitedTooLong: a provisioner has not seen the change.
    """
    run.tell(StepStarted("", "retain", "keep every disk, whatever happens"))
    wait = run.waiter(
        "", "retain", _SEEN_SECONDS, "See that the CSI driver's provisioner is running."
    )
    for claim in _claims(run):
        _set_policy(run, claim.old_volume, claim.old_volume_uid, "Retain")
    for claim in _claims(run):
        while pending := _pending(run, claim):
            wait.pause(f"volume {claim.old_volume}: {pending}")
    run.tell(StepDone("", "retain", "every in-tree volume is Retain", wait.seconds))


def restore_policies(run: Run) -> None:
    """Give every CSI volume the policy that its in-tree volume had."""
    run.tell(StepStarted("", "restore-policies", "give back the reclaim policies"))
    wait = run.waiter("", "restore-policies", _SEEN_SECONDS)
    for claim in _claims(run):
        volume = run.systems.client.get(resources.VOLUMES, claim.new_volume)
        _set_policy(run, claim.new_volume, uid_of(volume), claim.reclaim_policy)
    run.tell(StepDone("", "restore-policies", "", wait.seconds))


def give_back_policies(run: Run) -> None:
    """Give the in-tree volumes that still stand their policies back.

    For a run that ends before its first swap: nothing of it stays.
    """
    for claim in _claims(run):
        volume = run.systems.client.find(resources.VOLUMES, claim.old_volume)
        if volume and uid_of(volume) == claim.old_volume_uid:
            _set_policy(run, claim.old_volume, claim.old_volume_uid, claim.reclaim_policy)


def _claims(run: Run) -> Iterator[ClaimPlan]:
    return (claim for replica in run.plan.replicas for claim in replica.claims)


def _set_policy(run: Run, volume: str, uid: str, policy: str) -> None:
    found = run.systems.client.get(resources.VOLUMES, volume)
    if uid_of(found) != uid:
        raise NeedsPerson(f"volume {volume} is not the one that was backed up (uid {uid})")
    if found["spec"]["persistentVolumeReclaimPolicy"] == policy:
        return
    run.guard()
    intent = run.directory.journal.intent(
        step=f"policy/{volume}",
        action=f"set-policy-{policy.lower()}",
        object=_reference(found, volume),
    )
    # The uid in the patch is a precondition: the server refuses to change it.
    body = {"metadata": {"uid": uid}, "spec": {"persistentVolumeReclaimPolicy": policy}}
    patched = run.systems.client.patch(resources.VOLUMES, volume, body)
    run.directory.journal.done(intent, {"resourceVersion": resource_version_of(patched)})


def _reference(volume: Raw, name: str) -> ObjectRef:
    return ObjectRef(
        kind="PersistentVolume",
        name=name,
        uid=uid_of(volume),
        resource_version=resource_version_of(volume),
    )


def _pending(run: Run, claim: ClaimPlan) -> str:
    volume = run.systems.client.get(resources.VOLUMES, claim.old_volume)
    if volume["spec"]["persistentVolumeReclaimPolicy"] != "Retain":
        raise NeedsPerson(f"somebody set volume {claim.old_volume} back from Retain")
    left = [f for f in finalizers_of(volume) if f in _DELETION_FINALIZERS]
    return f"its finalizer {left[0]} has not gone yet" if left else ""
