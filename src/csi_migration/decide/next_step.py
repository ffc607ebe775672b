"""The heart of the tool: from what is seen of a replica to the next step.

The order of a swap is not written down as a list of steps to tick off. Every
decision starts from what is seen now, so that a run which was killed anywhere
goes on from the same place as one which was not.

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

from collections.abc import Callable, Iterator

from csi_migration.model.disk import Disk
from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, Presence, ReplicaSeen, Seen
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
        _refusal(plan, seen)
        or _first(plan, seen, _wrong_disk)
        or _take_the_pod_away(plan, seen)
        or _swap_while_it_is_away(plan, seen)
        or _bring_the_pod_back(seen, window)
        or Finished()
    )


def retreat_step(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
    """What to do next to give an untouched replica its pod and its set back.

    For a failure before the first claim was deleted: the in-tree volumes are
    still whole, so the way back is to make the pod and the set again.
    """
    refusal = _refusal(plan, seen)
    if refusal:
        return refusal
    if not is_untouched(plan, seen):
        return Refuse("a claim of this replica was deleted already, so the only way is forwards")
    # A pod that will not go must not keep the set away: the controller, on the same
    # volumes, waits for it as it always does.
    set_is_away = seen.statefulset.presence is Presence.ABSENT
    if seen.pod.terminating and not (set_is_away and window is Window.REPLICA):
        return _await_pod_gone()
    step = _bring_the_pod_back(seen, window)
    never_left = seen.pod.uid == plan.pod_uid
    is_ready_wait = isinstance(step, AwaitIt) and step.wait is Wait.READY
    return Finished() if step is None or (is_ready_wait and never_left) else step


def is_untouched(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim and volume of the replica is still the in-tree one."""
    return all(_is_untouched(seen.claims[claim.name]) for claim in plan.claims)


def is_swapped(plan: ReplicaPlan, seen: ReplicaSeen) -> bool:
    """Whether every claim of the replica is bound to its CSI volume."""
    return all(_is_swapped(seen.claims[claim.name]) for claim in plan.claims)


def _is_untouched(claim: ClaimSeen) -> bool:
    return all(
        item.presence is Presence.OLD and not item.terminating
        for item in (claim.claim, claim.old_volume)
    )


def _is_swapped(claim: ClaimSeen) -> bool:
    return claim.claim.presence is Presence.NEW and claim.bound


# What must not be there ------------------------------------------------------


def _refusal(plan: ReplicaPlan, seen: ReplicaSeen) -> Refuse | None:
    return next(_refusals(plan, seen), None)


def _refusals(plan: ReplicaPlan, seen: ReplicaSeen) -> Iterator[Refuse]:
    if seen.statefulset.presence is Presence.FOREIGN:
        yield Refuse("somebody else created the StatefulSet again")
    if seen.statefulset.spec_changed:
        yield Refuse("somebody changed the StatefulSet's spec since it was backed up")
    yield from _foreign(f"pod {plan.pod}", seen.pod)
    for claim in plan.claims:
        yield from _claim_refusals(claim, seen.claims[claim.name])


def _claim_refusals(plan: ClaimPlan, seen: ClaimSeen) -> Iterator[Refuse]:
    yield from _foreign(f"claim {plan.name}", seen.claim)
    yield from _foreign(f"volume {plan.old_volume}", seen.old_volume)
    yield from _foreign(f"volume {plan.new_volume}", seen.new_volume)
    if seen.old_volume.presence is Presence.OLD and not seen.retain:
        yield Refuse(
            f"the reclaim policy of volume {plan.old_volume} is no longer Retain; "
            "going on could destroy its disk"
        )


def _wrong_disk(plan: ClaimPlan, seen: ClaimSeen) -> Refuse | None:
    """A stale catalog names another disk (vsphere-csi-driver issue 3082)."""
    if seen.disk is None or seen.disk.path == plan.file.path:
        return None
    return Refuse(
        f"First Class Disk {seen.disk.id} lies at {seen.disk.path}, not at {plan.file.path}"
    )


def _foreign(what: str, item: Seen) -> Iterator[Refuse]:
    if item.presence is Presence.FOREIGN:
        yield Refuse(f"{what} (uid {item.uid}) was made by somebody else")


# 1 and 2: the window opens, the pod goes --------------------------------------


def _take_the_pod_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if is_swapped(plan, seen):
        return _await_pod_gone() if seen.pod.terminating else None
    if seen.statefulset.presence is not Presence.ABSENT:
        return _open_the_window(plan, seen)
    if seen.pod.terminating:
        return _await_pod_gone()
    if seen.pod.presence is Presence.ABSENT:
        return None
    if not is_untouched(plan, seen):
        return Refuse("a pod runs although its claims are only half swapped")
    return _orphans_first(seen) or Act(Action.DELETE_POD)


def _await_pod_gone() -> AwaitIt:
    return AwaitIt(Wait.POD_GONE, "the pod is shutting down within its own grace period")


def _open_the_window(plan: ReplicaPlan, seen: ReplicaSeen) -> Step:
    if not is_untouched(plan, seen):
        return Refuse(
            "the StatefulSet is there while a claim is missing: "
            "its controller could provision an empty volume"
        )
    if seen.statefulset.terminating:
        return AwaitIt(Wait.ORPHANED, "the garbage collector is orphaning the set's pods")
    return _await_ready(seen) or Act(Action.OPEN_WINDOW)


def _orphans_first(seen: ReplicaSeen) -> Step | None:
    if seen.left_owned is None:
        return LookAt(Look.ORPHANS)
    if seen.left_owned:
        return AwaitIt(
            Wait.ORPHANED, f"still owned by the deleted set: {', '.join(seen.left_owned)}"
        )
    return None


# 3 and 4: nothing holds the disks, and each is an FCD ------------------------


def _swap_while_it_is_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if seen.pod.presence is not Presence.ABSENT:
        return None
    return _free_the_disks(plan, seen) or _swap_the_volumes(plan, seen)


def _free_the_disks(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if seen.attached_by is None:
        return LookAt(Look.ATTACHMENTS)
    if seen.attached_by:
        return AwaitIt(Wait.DETACHED, f"still held by {', '.join(seen.attached_by)}")
    return _first(plan, seen, _make_it_a_first_class_disk)


def _make_it_a_first_class_disk(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if not seen.disk_looked_up:
        return LookAt(Look.DISK, plan.name)
    if seen.disk is None:
        return _register_or_refuse(plan, seen)
    if not seen.disk.keep_after_delete_vm:
        return Act(Action.PROTECT_DISK, plan.name)
    return None


def _register_or_refuse(plan: ClaimPlan, seen: ClaimSeen) -> Step:
    if not _is_untouched(seen):
        return Refuse(f"vCenter no longer knows the First Class Disk of {plan.file.path}")
    return Act(Action.REGISTER_DISK, plan.name)


# 5 and 6: the volumes change ---------------------------------------------------


def _swap_the_volumes(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    # Stage by stage over all claims, so that their waits run side by side.
    stages = (
        _delete_the_claim,
        _delete_the_volume,
        _create_the_volume,
        _create_the_claim,
        _await_registration,
        _await_binding,
    )
    steps = (_first(plan, seen, stage) for stage in stages)
    return next((step for step in steps if step), None)


def _delete_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.claim.terminating:
        return AwaitIt(Wait.CLAIM_GONE, f"claim {plan.name} is going away", plan.name)
    if seen.claim.presence is Presence.OLD:
        return Act(Action.DELETE_CLAIM, plan.name)
    return None


def _delete_the_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.old_volume.terminating:
        return AwaitIt(Wait.VOLUME_GONE, f"volume {plan.old_volume} is going away", plan.name)
    if seen.old_volume.presence is Presence.OLD:
        return Act(Action.DELETE_VOLUME, plan.name)
    return None


def _create_the_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.new_volume.terminating:
        return Refuse(f"somebody is deleting the new volume {plan.new_volume}")
    if seen.new_volume.presence is Presence.NEW:
        return None
    if seen.registered is None:
        return LookAt(Look.REGISTRATION, plan.name)
    if seen.registered:
        reason = f"CNS still has disk {_id(seen.disk)} as the old volume's"
        return AwaitIt(Wait.UNREGISTERED, reason, plan.name)
    return Act(Action.CREATE_VOLUME, plan.name)


def _create_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.claim.presence is Presence.ABSENT:
        return Act(Action.CREATE_CLAIM, plan.name)
    return None


def _await_registration(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.registered is None:
        return LookAt(Look.REGISTRATION, plan.name)
    if not seen.registered:
        return AwaitIt(Wait.REGISTERED, f"CNS does not know disk {_id(seen.disk)} yet", plan.name)
    return None


def _await_binding(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if not seen.bound:
        reason = f"claim {plan.name} is not bound to {plan.new_volume} yet"
        return AwaitIt(Wait.BOUND, reason, plan.name)
    return None


def _id(disk: Disk | None) -> str:
    return disk.id if disk else "(not looked up)"


# 7 to 9: the pod comes back, the window closes ---------------------------------


def _bring_the_pod_back(seen: ReplicaSeen, window: Window) -> Step | None:
    if seen.statefulset.terminating:
        return AwaitIt(Wait.ORPHANED, "the set is still going away, and would go unnoticed")
    if seen.pod.presence is Presence.ABSENT and seen.statefulset.presence is Presence.ABSENT:
        return Act(Action.CREATE_POD)
    if window is Window.REPLICA:
        return _close_the_window(seen) or _await_ready(seen)
    return _await_ready(seen)


def _close_the_window(seen: ReplicaSeen) -> Step | None:
    if seen.statefulset.presence is Presence.ABSENT:
        return Act(Action.CLOSE_WINDOW)
    if seen.pod.presence is Presence.ABSENT:
        return AwaitIt(Wait.READY, "the StatefulSet's controller is making the pod")
    if seen.pod.owner != seen.statefulset.uid:
        return AwaitIt(Wait.ADOPTED, "the StatefulSet's controller has not adopted the pod yet")
    return None


def _await_ready(seen: ReplicaSeen) -> Step | None:
    if seen.pod.ready:
        return None
    return AwaitIt(Wait.READY, "the pod is not Ready yet")


def _first(
    plan: ReplicaPlan, seen: ReplicaSeen, decide: Callable[[ClaimPlan, ClaimSeen], Step | None]
) -> Step | None:
    """The first claim's step, but what can be done at once goes before any wait."""
    steps = [step for c in plan.claims if (step := decide(c, seen.claims[c.name]))]
    at_once = [step for step in steps if not isinstance(step, AwaitIt)]
    return next(iter(at_once + steps), None)
