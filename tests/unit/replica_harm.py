"""What must never happen to a replica, judged from the world alone, not by the decision."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.model.step import Act, Action
from tests.unit.replica_world import ABSENT, FOREIGN, NEW, OLD, SETS, ClaimState, VolumeState, World

DELETIONS = {
    Action.DELETE_CLAIM: OLD,
    Action.DELETE_VOLUME: OLD,
    Action.DELETE_CSI_CLAIM: NEW,
    Action.DELETE_CSI_VOLUME: NEW,
}
_OF_CLAIMS = (Action.DELETE_CLAIM, Action.DELETE_CSI_CLAIM)


def harm_of(world: World, act: Act, *, retreats: bool) -> Iterator[str]:
    """What this write breaks in the world that it is about to be made in."""
    match act.action:
        case Action.OPEN_WINDOW:
            yield from _if(world.statefulset.presence is FOREIGN, "deleted somebody else's set")
        case Action.DELETE_POD:
            yield from _deleting_a_pod(world)
        case Action.CREATE_POD:
            yield from _creating_a_pod(world, retreats=retreats)
        case Action.CLOSE_WINDOW:
            yield from _bringing_the_set_back(world)
        case _:
            yield from _on_claim(world, world.claim(act.claim), act.action)


def harm_of_a_start(world: World, *, is_refused_elsewhere: bool) -> Iterator[str]:
    """What a pod's start on these claims breaks, whoever starts it.

    With `is_refused_elsewhere`, another VM's hold is left to vSphere: it refuses the
    second attachment, while two sides of one disk look like two disks to Kubernetes.
    """
    own = (state for state in world.claims if state.presence is not FOREIGN)
    for state in own:  # behind somebody else's claim lies another disk
        if state.holder not in (ABSENT, FOREIGN, state.presence):
            yield "started a pod on a disk that is attached for the other volume"
        if state.holder is FOREIGN and not is_refused_elsewhere:
            yield "started a pod on a disk that is held elsewhere"


def _if(broken: bool, words: str) -> Iterator[str]:
    if broken:
        yield words


def _deleting_a_pod(world: World) -> Iterator[str]:
    yield from _if(world.pod.owner in SETS, "deleted a pod that still belonged to a set")
    yield from _if(world.statefulset.presence is not ABSENT, "deleted a pod under its controller")
    yield from _if(world.pod.presence is FOREIGN, "deleted somebody else's pod")


def _creating_a_pod(world: World, *, retreats: bool) -> Iterator[str]:
    yield from harm_of_a_start(world, is_refused_elsewhere=retreats)
    # Undone, a replica may get its pod before the binding that it will wait for, or over a
    # claim that is Lost: there it waits as its controller's own would.
    may_start = all(s.is_bindable or s.is_lost if retreats else s.is_bound for s in world.claims)
    yield from _if(not may_start, "made a pod over claims that are not bound")
    yield from _if(world.pod.presence is not ABSENT, "made a pod over another")


def _bringing_the_set_back(world: World) -> Iterator[str]:
    yield from _if(world.statefulset.presence is not ABSENT, "made a set over another")
    for state in world.claims:
        yield from _if(not state.stands, "brought the set back over a claim that is missing")
        # A claim whose volume somebody took away is Lost, but nobody fills its place.
        cannot = not state.is_bindable and state.is_released(state.volume)
        yield from _if(cannot, "brought the set back over a claim that cannot bind")


def _on_claim(world: World, state: ClaimState, action: Action) -> Iterator[str]:
    if action in DELETIONS:
        yield from _deleting(world, state, action)
    if action in (Action.CREATE_VOLUME, Action.RESTORE_VOLUME):
        other = state.old if action is Action.CREATE_VOLUME else state.new
        yield from _if(other.presence is not ABSENT, "made a volume before the other was gone")
        yield from _if(state.registered, "made a volume while CNS had the other")
    if action in (Action.CREATE_CLAIM, Action.RESTORE_CLAIM):
        volume = state.new if action is Action.CREATE_CLAIM else state.old
        yield from _if(state.presence is not ABSENT, "made a claim over another")
        cannot = volume.presence is ABSENT or state.is_released(volume)
        yield from _if(cannot, "made a claim that cannot bind")


def _deleting(world: World, state: ClaimState, action: Action) -> Iterator[str]:
    side = DELETIONS[action]
    volume = state.old if side is OLD else state.new
    deleted = state.presence if action in _OF_CLAIMS else volume.presence
    yield from _if(deleted is not side, "deleted what is not its own")
    yield from _if(volume.presence is side and not volume.retain, "deleted what is not Retain")
    yield from _deleting_what_is_in_use(world, state)
    if side is OLD and not (state.is_disk and state.is_kept):
        # Going back, the disk was made one before its claim could go.
        yield from _if(state.presence is OLD, "deleted what is no protected FCD yet")
    if action not in _OF_CLAIMS:
        yield from _deleting_a_volume(state, volume, side is OLD)


def _deleting_what_is_in_use(world: World, state: ClaimState) -> Iterator[str]:
    is_held = state.holder is not ABSENT
    yield from _if(is_held or world.pod.presence is not ABSENT, "deleted what is held")
    yield from _if(world.statefulset.presence is not ABSENT, "deleted under a live controller")


def _deleting_a_volume(state: ClaimState, volume: VolumeState, is_old: bool) -> Iterator[str]:
    names_it = state.presence is (OLD if is_old else NEW)
    yield from _if(names_it, "deleted a volume before its claim was gone")
    # Driver and syncer crash over it (vsphere-csi-driver 3.6 and later).
    yield from _if(not is_old and volume.ref is None, "deleted a CSI volume without claimRef")
