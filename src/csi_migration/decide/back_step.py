"""The way back: from what is seen of a replica to the next step to its in-tree volumes.

The same rules as forwards hold in the mirror: a CSI claim or volume is deleted
only after nothing holds its disk and only while the volume is Retain; an in-tree
volume is made only after CNS has let go of the CSI one; a pod is made only after
every claim is bound and nothing holds the disks. First Class Disks stay what they
are: the in-tree volume works on one as well as on a plain VMDK.
"""

from __future__ import annotations

from csi_migration.decide.replica_rules import (
    await_binding,
    await_claim_gone,
    await_detachment,
    await_orphaned,
    await_pod_gone,
    await_unregistered,
    bring_the_pod_back,
    close_the_window,
    delete_csi_volume,
    delete_in_tree_volume,
    deletion,
    first,
    is_in_place,
    is_in_tree,
    is_on_csi,
    is_whole_on_csi,
    orphans_first,
    others_first,
    refusal,
    stage_by_stage,
    take_the_pod_away,
    unknown_disk,
    wrong_disks,
)
from csi_migration.model.plan import ClaimPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, Presence, ReplicaSeen
from csi_migration.model.step import Act, Action, Finished, Look, LookAt, Refuse, Step


def back_step(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
    """What to do next to bring this replica back to its in-tree volumes."""
    return (
        refusal(plan, seen)
        or wrong_disks(plan, seen)
        or _take_the_pod_away(plan, seen)
        or _swap_while_it_is_away(plan, seen)
        or bring_the_pod_back(plan, seen, window)
        or Finished()
    )


def templates_step(plan: ReplicaPlan, seen: ReplicaSeen, window: Window) -> Step:
    """What to do next to make the set again with other claim templates, its pods untouched.

    `window` makes no difference: this is a window of its own, over no replica.
    """
    del window
    statefulset = seen.statefulset
    if refused := refusal(plan, seen) or deletion(plan, seen):
        return refused
    if statefulset.terminating:
        return await_orphaned()
    if statefulset.templates_differ:
        return Act(Action.OPEN_WINDOW)
    is_away = statefulset.presence is Presence.ABSENT
    left = orphans_first(seen) if is_away else None
    return left or close_the_window(plan, seen) or Finished()


def _know_the_disks(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    """While nobody is away yet: one that is a delta by now, after a snapshot, can't go back."""
    return first(plan, seen, _know_the_disk) if is_whole_on_csi(plan, seen) else None


def _take_the_pod_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if is_in_tree(plan, seen):
        return await_pod_gone() if seen.pod.terminating else None
    guard = others_first(seen) if is_whole_on_csi(plan, seen) else None
    # A replica that is not Ready on CSI, or whose claims somebody is deleting, is the
    # very one that has to go back.
    away = take_the_pod_away(seen, is_whole=is_on_csi(plan, seen), needs_ready=False)
    looked = _know_the_disks(plan, seen) if isinstance(away, Act) else None
    return guard or looked or away


def _swap_while_it_is_away(plan: ReplicaPlan, seen: ReplicaSeen) -> Step | None:
    if seen.pod.presence is not Presence.ABSENT:
        return None
    return await_detachment(seen) or stage_by_stage(plan, seen, _STAGES)


def _know_the_disk(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if is_in_place(seen):
        return None
    if not seen.disk_looked_up:
        return LookAt(Look.DISK, plan.name, surely=True)
    if seen.disk is None:
        return unknown_disk(plan)
    return None


def _delete_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    is_new = seen.claim.presence is Presence.NEW
    act = Act(Action.DELETE_CSI_CLAIM, plan.name) if is_new else None
    return await_claim_gone(plan, seen) or act


def _delete_what_cannot_bind(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    """A run that was interrupted forwards leaves an in-tree volume that remembers its claim."""
    is_released, _ = seen.released
    is_going = seen.old_volume.terminating
    if is_going and seen.claim.presence is Presence.OLD:
        # The binding holds it, so waiting for it would never end.
        return Refuse(f"somebody is deleting the in-tree volume {plan.old_volume}")
    return delete_in_tree_volume(plan, seen) if is_released or is_going else None


def _restore_the_volume(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.old_volume.presence is Presence.OLD:
        return None
    return await_unregistered(plan, seen, "CSI") or Act(Action.RESTORE_VOLUME, plan.name)


def _restore_the_claim(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    if seen.claim.presence is Presence.ABSENT:
        return Act(Action.RESTORE_CLAIM, plan.name)
    return None


def _await_binding(plan: ClaimPlan, seen: ClaimSeen) -> Step | None:
    return await_binding(plan, seen, plan.old_volume)


_STAGES = (
    _know_the_disk,
    _delete_the_claim,
    delete_csi_volume,
    _delete_what_cannot_bind,
    _restore_the_volume,
    _restore_the_claim,
    _await_binding,
)
