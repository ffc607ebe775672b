"""Everybody else who acts on a replica: controllers, kubelet, attacher, syncer, provisioner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csi_migration.model.seen import Presence
from tests.unit.replica_harm import harm_of_a_start
from tests.unit.replica_world import (
    ABSENT,
    FOREIGN,
    GONE,
    NEW,
    OLD,
    SETS,
    ClaimState,
    PodState,
    VolumeState,
    World,
)

_EXCUSES_AN_EMPTY_VOLUME = {"set made by somebody", "claim deleted", "claim vanished"}


def others_act(world: World) -> World:
    """One thing that somebody else does by itself; the same world if nothing is left."""
    return next(others(world), world)


def others(world: World) -> Iterator[World]:
    """Every thing that somebody else may do next."""
    yield from _garbage_collector(world)
    yield from _kubelet(world)
    for state in world.claims:
        for later in _on_claim(world, state):
            yield world.with_claim(later)
        yield from _provisioner(world, state)
    if world.statefulset.acts:
        yield from _statefulset_controller(world)


def _garbage_collector(world: World) -> Iterator[World]:
    statefulset, pod = world.statefulset, world.pod
    if world.collector_away:
        return
    if statefulset.terminating and pod.owner == statefulset.uid:
        yield replace(world, pod=replace(pod, owner=0))
    if statefulset.terminating:
        # It works on a cached graph: the set may go while a pod still carries its uid.
        gone = replace(statefulset, presence=ABSENT, uid=0, terminating=False)
        yield replace(world, statefulset=gone)
    owner_is_gone = statefulset.presence is ABSENT or pod.owner != statefulset.uid
    if pod.owner in SETS and owner_is_gone and not pod.terminating:
        yield replace(world, pod=replace(pod, terminating=True))


def _kubelet(world: World) -> Iterator[World]:
    pod = world.pod
    if pod.terminating:
        yield replace(world, pod=GONE)
    can_start = pod.presence is not ABSENT and not pod.ready and not pod.terminating
    if can_start and all(_can_attach(state) for state in world.claims):
        claims = tuple(replace(state, holder=state.presence) for state in world.claims)
        yield replace(world, pod=replace(pod, ready=True), claims=claims)


def _can_attach(state: ClaimState) -> bool:
    # An in-tree volume is registered on its first attachment, a CSI volume is not.
    is_known = state.registered or state.presence is OLD
    return state.is_bound and is_known and state.holder in (ABSENT, state.presence)


def _on_claim(world: World, state: ClaimState) -> Iterator[ClaimState]:
    has_pod = world.pod.presence is not ABSENT
    if state.holder in (OLD, NEW) and not has_pod:
        yield replace(state, holder=ABSENT)
    if state.terminating and not has_pod:
        yield replace(state, presence=ABSENT, uid=0, terminating=False, is_lost=False)
    if state.is_bindable and not state.is_bound:
        yield with_volume(state, state.presence, replace(state.volume, ref=state.uid))
    for side, volume in ((OLD, state.old), (NEW, state.new)):
        if volume.terminating and not _is_in_use(state, side):
            yield without_volume(state, side)
    yield from _syncer(state)


def without_volume(state: ClaimState, side: Presence) -> ClaimState:
    """The syncer lets go next; a volume that it has not registered yet is passed over."""
    events = state.events[:-1] if state.events[-1:] == (True,) else (*state.events, False)
    return replace(with_volume(state, side, VolumeState()), events=events)


def _is_in_use(state: ClaimState, side: Presence) -> bool:
    """What the finalizers of the binding and of the attacher guard."""
    return state.holder is side or (state.presence is side and state.is_bound)


def with_volume(state: ClaimState, side: Presence, volume: VolumeState) -> ClaimState:
    """The claim with this volume on this side."""
    return replace(state, old=volume) if side is OLD else replace(state, new=volume)


def _syncer(state: ClaimState) -> Iterator[ClaimState]:
    if state.events:
        is_known = state.events[0] and (state.is_disk or state.old.presence is OLD)
        yield replace(state, registered=is_known, events=state.events[1:])
    elif not state.registered and state.is_disk and state.new.presence is NEW:
        yield replace(state, registered=True)  # the next full syncs


def _provisioner(world: World, state: ClaimState) -> Iterator[World]:
    """A Released volume whose policy is Delete takes its disk with it."""
    for side, volume in ((OLD, state.old), (NEW, state.new)):
        if volume.presence is side and not volume.retain and state.is_released(volume):
            later = world.with_claim(without_volume(state, side))
            excused = any("policy set to Delete" in name for name in world.disturbed)
            yield later if excused else later.harmed("a provisioner destroyed the disk")


def _statefulset_controller(world: World) -> Iterator[World]:
    pod, uid = world.pod, world.statefulset.uid
    if world.others_gone:
        yield replace(world, others_gone=False)
    if pod.presence is ABSENT:
        yield from _make_the_pod(world)
    elif not pod.owner and not pod.terminating:
        yield replace(world, pod=replace(pod, owner=uid))


def _make_the_pod(world: World) -> Iterator[World]:
    missing = [state for state in world.claims if state.presence is ABSENT]
    for state in missing[:1]:
        later = world.with_claim(replace(state, presence=FOREIGN, uid=state.free_uid()))
        excused = world.disturbed & _EXCUSES_AN_EMPTY_VOLUME
        yield later if excused else later.harmed("the controller made an empty volume")
    if not missing and not any(state.terminating for state in world.claims):
        made = PodState(OLD, owner=world.statefulset.uid, ready=False, is_first=False)
        is_somebodys = "set made by somebody" in world.disturbed
        harm = () if is_somebodys else harm_of_a_start(world, is_refused_elsewhere=True)
        yield replace(world, pod=made).harmed(*harm)
