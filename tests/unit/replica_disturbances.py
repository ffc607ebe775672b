"""Whatever somebody may do to a replica, as far as a decision can see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from csi_migration.model.seen import Presence
from csi_migration.model.step import Look
from tests.unit.replica_others import with_volume, without_volume
from tests.unit.replica_world import (
    ABSENT,
    FOREIGN,
    GONE,
    NEW,
    OLD,
    OTHER_CONTROLLER,
    SETS,
    ClaimState,
    PodState,
    SetState,
    VolumeState,
    World,
)

OnWorld = Callable[[World], World]
OnClaim = Callable[[ClaimState], ClaimState]


def disturb(world: World, name: str, claim: ClaimState) -> World:
    """The world after it, or the same one where it cannot happen."""
    is_on_claim = name in ON_CLAIM
    later = world.with_claim(ON_CLAIM[name](claim)) if is_on_claim else ON_WORLD[name](world)
    return world if later == world else replace(later, disturbed=world.disturbed | {name})


# The set and the pods ---------------------------------------------------------------


def _set_made_by_somebody(world: World) -> World:
    uid = min(SETS - {world.pod.owner})
    return replace(world, statefulset=SetState(FOREIGN, uid))


def _set_deleted(world: World) -> World:
    is_there = world.statefulset.presence is not ABSENT
    return replace(world, statefulset=replace(world.statefulset, terminating=is_there))


def _set_vanished(world: World) -> World:
    gone = replace(world.statefulset, presence=ABSENT, uid=0, terminating=False, spec_changed=False)
    return replace(world, statefulset=gone)


def _spec_changed(world: World) -> World:
    is_there = world.statefulset.presence is not ABSENT
    return replace(world, statefulset=replace(world.statefulset, spec_changed=is_there))


def _pod_made_by_somebody(world: World) -> World:
    if world.pod.presence is not ABSENT:
        return world
    return replace(world, pod=PodState(FOREIGN, owner=0, ready=False, is_first=False))


def _pod_deleted(world: World) -> World:
    is_there = world.pod.presence is not ABSENT
    return replace(world, pod=replace(world.pod, terminating=is_there))


def _pod_vanished(world: World) -> World:
    return replace(world, pod=GONE)


def _pod_not_ready(world: World) -> World:
    return replace(world, pod=replace(world.pod, ready=False))


def _pod_adopted_by_another(world: World) -> World:
    """Only an orphan can be: its labels fit another controller's selector."""
    is_orphan = world.pod.presence is not ABSENT and not world.pod.owner
    return replace(world, pod=replace(world.pod, owner=OTHER_CONTROLLER)) if is_orphan else world


def _collector_gone(world: World) -> World:
    """From now on nobody orphans what a deleted set leaves."""
    return replace(world, collector_away=True)


def _others_vanished(world: World) -> World:
    return replace(world, others_gone=True)


# Claims, volumes, disks ---------------------------------------------------------------


def _claim_deleted(state: ClaimState) -> ClaimState:
    return replace(state, terminating=state.presence is not ABSENT)


def _claim_vanished(state: ClaimState) -> ClaimState:
    return replace(state, presence=ABSENT, uid=0, terminating=False, is_lost=False)


def _claim_made_by_somebody(state: ClaimState) -> ClaimState:
    if state.presence is not ABSENT:
        return state
    return replace(state, presence=FOREIGN, uid=state.free_uid())


def _policy_set_to_delete(side: Presence, state: ClaimState) -> ClaimState:
    return _changed(side, state, replace(state.volume_of(side), retain=False))


def _claim_ref_removed(side: Presence, state: ClaimState) -> ClaimState:
    return _changed(side, state, replace(state.volume_of(side), ref=None))


def _volume_deleted(side: Presence, state: ClaimState) -> ClaimState:
    return _changed(side, state, replace(state.volume_of(side), terminating=True))


def _changed(side: Presence, state: ClaimState, volume: VolumeState) -> ClaimState:
    return state if volume.presence is ABSENT else with_volume(state, side, volume)


def _volume_vanished(side: Presence, state: ClaimState) -> ClaimState:
    if state.volume_of(side).presence is ABSENT:
        return state
    # A claim that was bound to it is Lost, and stays so under a volume made later.
    is_lost = state.is_lost or (state.presence is side and state.is_bound)
    return replace(without_volume(state, side), is_lost=is_lost)


def _volume_made_by_somebody(side: Presence, state: ClaimState) -> ClaimState:
    if state.volume_of(side).presence is not ABSENT:
        return state
    return with_volume(state, side, VolumeState(FOREIGN))


def _disk_unknown(state: ClaimState) -> ClaimState:
    return replace(state, is_disk=False, is_kept=False)


def _disk_unprotected(state: ClaimState) -> ClaimState:
    return replace(state, is_kept=False)


def _disk_moved(state: ClaimState) -> ClaimState:
    return replace(state, is_moved=True)


def _attached_elsewhere(state: ClaimState) -> ClaimState:
    return replace(state, holder=FOREIGN) if state.holder is ABSENT else state


def _registration_lost(state: ClaimState) -> ClaimState:
    return replace(state, registered=False, events=())


def _deletion_unnoticed(state: ClaimState) -> ClaimState:
    """The syncer was away when the volume went, and CNS keeps the disk for good."""
    return replace(state, events=()) if False in state.events else state


ON_WORLD: dict[str, OnWorld] = {
    "set made by somebody": _set_made_by_somebody,
    "set deleted": _set_deleted,
    "set vanished": _set_vanished,
    "spec changed": _spec_changed,
    "pod made by somebody": _pod_made_by_somebody,
    "pod deleted": _pod_deleted,
    "pod vanished": _pod_vanished,
    "pod not ready": _pod_not_ready,
    "pod adopted by another controller": _pod_adopted_by_another,
    "other pods vanished": _others_vanished,
    "garbage collector away": _collector_gone,
}
ON_CLAIM: dict[str, OnClaim] = {
    "claim deleted": _claim_deleted,
    "claim vanished": _claim_vanished,
    "claim made by somebody": _claim_made_by_somebody,
    "old policy set to Delete": partial(_policy_set_to_delete, OLD),
    "new policy set to Delete": partial(_policy_set_to_delete, NEW),
    "old claimRef removed": partial(_claim_ref_removed, OLD),
    "new claimRef removed": partial(_claim_ref_removed, NEW),
    "old volume deleted": partial(_volume_deleted, OLD),
    "new volume deleted": partial(_volume_deleted, NEW),
    "old volume vanished": partial(_volume_vanished, OLD),
    "new volume vanished": partial(_volume_vanished, NEW),
    "old volume made by somebody": partial(_volume_made_by_somebody, OLD),
    "new volume made by somebody": partial(_volume_made_by_somebody, NEW),
    "disk unknown": _disk_unknown,
    "disk unprotected": _disk_unprotected,
    "disk moved": _disk_moved,
    "attached elsewhere": _attached_elsewhere,
    "registration lost": _registration_lost,
    "deletion unnoticed": _deletion_unnoticed,
}
# What was looked at before is old; how old a look may be is the engine's business.
OUTDATES = {
    "attached elsewhere": Look.ATTACHMENTS,
    "disk unknown": Look.DISK,
    "disk unprotected": Look.DISK,
    "disk moved": Look.DISK,
}
NAMES = sorted(ON_WORLD | ON_CLAIM)
