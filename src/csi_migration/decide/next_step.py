"""The heart of the tool: from what is seen of a replica to the next step forwards.

What always holds, whatever is seen:

* A claim or a volume is deleted only after nothing holds its disk, the disk is
  an FCD at the expected path that outlives its VM, and the old volume is Retain.
* A new volume is made only after the old one is gone and CNS has let go of the
  disk (vsphere-csi-driver: metadatasyncer.go:pvDeleted un-registers the disk of
  the volume that shares it, see also external-attacher issue 460).
* A pod is made only after every claim of the replica is bound to its new volume
  and nothing holds the disks.
* An object that neither the backup nor this migration explains stops everything.
"""

from __future__ import annotations

from csi_migration.decide.replica_rules import (
    await_binding,
    await_claim_gone,
    await_detachment,
    await_pod_gone,
    await_unregistered,
    bring_the_pod_back,
    delete_csi_volume,
    delete_in_tree_volume,
    deletion,
    id_of,
    is_in_place,
    is_swapped,
    is_untouched,
    is_whole_on_csi,
    others_first,
    refusal,
    stage_by_stage,
    take_the_pod_away,
    unknown_disk,
    wrong_disks,
)
from csi_migration.model.plan import ClaimPlan, Direction, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, Presence, ReplicaSeen
from csi_migration.model.step import (
    Act,
    Action,
    AwaitIt,
    Finished,
    Look,
    LookAt,
    Refuse,
    Step,
    Wait,
)


def next_step(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
    """What to do next to bring this replica to CSI volumes."""
    return (
        refusal(plan, seen)
        or wrong_disks(plan, seen)
        or deletion(plan, seen)
        or _take_the_pod_away(plan, seen)
        or _swap_while_it_is_away(plan, seen)
        or bring_the_pod_back(plan, seen, window)
        or Finished()
    )


def retreat_step(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
    """What to do next to give a replica whose claims all stand its pod and its set back.

    For a failure before the first claim was deleted: the volumes are still
    whole, so the way back is to make the pod and the set again.
    """
    refused = refusal(plan, seen)
    if refused:
        return refused
    if not (is_untouched(plan, seen) or is_whole_on_csi(plan, seen)):
        return Refuse("a claim of this replica was deleted already, so the only way is forwards")
    # A pod that will not go must not keep the set away: the controller, on the same
    # volumes, waits for it as it always does.
    wants_the_set = window is Window.REPLICA or bool(seen.others_gone)
    set_is_away = seen.statefulset.presence is Presence.ABSENT
    if seen.pod.terminating and not (set_is_away and wants_the_set):
        return await_pod_gone()
    step = bring_the_pod_back(plan, seen, window)
    never_left = seen.pod.uid == plan.pod_uid
    is_ready_wait = isinstance(step, AwaitIt) and step.wait is Wait.READY
    return Finished() if step is None or (is_ready_wait and never_left) else step


def can_retreat(plan: ReplicaPlan, seen: ReplicaSeen, direction: Direction) -> bool:
    """Whether every claim still stands where the replica came from."""
    is_whole = is_untouched if direction is Direction.TO_CSI else is_whole_on_csi
    return is_whole(plan, seen)


# 1 to 3: the window opens, the pod goes, nothing holds the disks ----------------


def _take_the_pod_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if is_swapped(plan, seen):
        return await_pod_gone() if seen.pod.terminating else None
    is_whole = is_untouched(plan, seen)
    guard = others_first(seen) if is_whole else None
    return guard or take_the_pod_away(seen, is_whole=is_whole, needs_ready=True)


def _swap_while_it_is_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if seen.pod.presence is not Presence.ABSENT:
        return None
    return await_detachment(seen) or stage_by_stage(plan, seen, _STAGES)


# 4: each disk is an FCD ----------------------------------------------------------


def _make_it_a_first_class_disk(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if not seen.disk_looked_up:
        return LookAt(Look.DISK, plan.name, surely=not is_in_place(seen))
    if seen.disk is None:
        return _register_or_refuse(plan, seen)
    if not seen.disk.keep_after_delete_vm:
        return Act(Action.PROTECT_DISK, plan.name)
    return None


def _register_or_refuse(plan: ClaimPlan, seen: ClaimSeen) -> Step:
    """No claim and no volume is touched before the disk is an FCD."""
    if is_in_place(seen):
        return Act(Action.REGISTER_DISK, plan.name)
    return unknown_disk(plan)


# 5 and 6: the volumes change ---------------------------------------------------


def _delete_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    is_old = seen.claim.presence is Presence.OLD
    return await_claim_gone(plan, seen) or (Act(Action.DELETE_CLAIM, plan.name) if is_old else None)


def _delete_what_cannot_bind(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    """A rollback that was interrupted leaves a CSI volume that remembers its claim."""
    _, is_released = seen.released
    is_going = seen.new_volume.terminating
    return delete_csi_volume(plan, seen) if is_released or is_going else None


def _create_the_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.new_volume.presence is Presence.NEW:
        return None
    return await_unregistered(plan, seen, "old") or Act(Action.CREATE_VOLUME, plan.name)


def _create_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.claim.presence is Presence.ABSENT:
        return Act(Action.CREATE_CLAIM, plan.name)
    return None


def _await_registration(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.registered is None:
        return LookAt(Look.REGISTRATION, plan.name)
    if not seen.registered:
        return AwaitIt(Wait.REGISTERED, f"CNS does not know disk {id_of(seen)} yet", plan.name)
    return None


def _await_binding(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    return await_binding(plan, seen, plan.new_volume)


_STAGES = (
    _make_it_a_first_class_disk,
    _delete_the_claim,
    delete_in_tree_volume,
    _delete_what_cannot_bind,
    _create_the_volume,
    _create_the_claim,
    _await_registration,
    _await_binding,
)
