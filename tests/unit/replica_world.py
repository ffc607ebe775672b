"""A replica, its disks and everybody who acts on them, as plain state.

Only what the decision can tell apart is modelled. Others (garbage collector,
kubelet, attacher, syncer, controllers) act in `others_act`, at most one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from csi_migration.model.disk import Disk, DiskFile, DiskPath
from csi_migration.model.plan import ClaimPlan, ReplicaPlan
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import Act, Action, Look, LookAt

ABSENT, OLD, NEW = Presence.ABSENT, Presence.OLD, Presence.NEW


def claim_plan(name: str) -> ClaimPlan:
    path = DiskPath("ds", f"kubevols/{name}.vmdk")
    return ClaimPlan(
        name=name,
        uid=f"uid-{name}",
        old_volume=f"pvc-{name}",
        old_volume_uid=f"uid-pvc-{name}",
        reclaim_policy="Delete",
        volume_path=str(path),
        file=DiskFile(path, "datastore-1", "/DC0", 0),
        disk_id="",
        new_volume=f"pvc-{name}-csi",
        new_volume_manifest={},
        new_claim_manifest={},
        old_volume_manifest={},
        old_claim_manifest={},
    )


def replica_plan(*claims: str) -> ReplicaPlan:
    return ReplicaPlan(
        ordinal=2,
        pod="web-2",
        pod_uid="pod-old",
        pod_manifest={},
        node="node-1",
        grace_seconds=30.0,
        claims=tuple(claim_plan(name) for name in claims),
    )


@dataclass(frozen=True)
class ClaimState:
    """`claim` and volumes as Presence; the flags are vCenter's and the controllers'."""

    claim: Presence = OLD
    bound: bool = True
    old_volume: Presence = OLD
    retain: bool = True
    new_volume: Presence = ABSENT
    is_disk: bool = False
    is_kept: bool = False
    registered: bool = True
    claim_terminating: bool = False
    volume_terminating: bool = False


@dataclass(frozen=True)
class World:
    """Everything about one replica. `violations` collects what must never happen."""

    statefulset: Presence = OLD
    set_uid: str = "set-1"
    pod: Presence = OLD
    pod_owner: str = "set-1"
    pod_terminating: bool = False
    ready: bool = True
    attached: bool = True
    claims: dict[str, ClaimState] = field(default_factory=dict)
    violations: tuple[str, ...] = ()


def seen_in(world: World, looked: frozenset[LookAt], plan: ReplicaPlan) -> ReplicaSeen:
    """What an observer tells who has looked at just these things."""
    return ReplicaSeen(
        statefulset=SetSeen(world.statefulset, uid=world.set_uid),
        pod=PodSeen(
            world.pod,
            terminating=world.pod_terminating,
            owner=world.pod_owner,
            ready=world.ready and not world.pod_terminating,
        ),
        claims={c.name: _claim_seen(c, world.claims[c.name], looked) for c in plan.claims},
        attached_by=_if_looked(LookAt(Look.ATTACHMENTS), looked, world.attached, "vm node-1"),
        left_owned=_if_looked(LookAt(Look.ORPHANS), looked, bool(world.pod_owner), "pod/web-2"),
    )


def _if_looked(
    at: LookAt, looked: frozenset[LookAt], holds: bool, word: str
) -> tuple[str, ...] | None:
    if at not in looked:
        return None
    return (word,) if holds else ()


def _claim_seen(plan: ClaimPlan, state: ClaimState, looked: frozenset[LookAt]) -> ClaimSeen:
    looked_up = LookAt(Look.DISK, plan.name) in looked
    disk = Disk("fcd", "n", plan.file.path, 0, state.is_kept) if state.is_disk else None
    return ClaimSeen(
        claim=Seen(state.claim, terminating=state.claim_terminating),
        bound=state.bound,
        old_volume=Seen(state.old_volume, terminating=state.volume_terminating),
        retain=state.retain,
        new_volume=Seen(state.new_volume),
        disk=disk if looked_up else None,
        disk_looked_up=looked_up,
        registered=state.registered if LookAt(Look.REGISTRATION, plan.name) in looked else None,
    )


def perform(world: World, act: Act) -> World:
    """The world right after the tool's write, with what it broke noted."""
    world = _with_violations(world, act)
    if act.claim:
        state = _on_claim(world.claims[act.claim], act.action)
        return replace(world, claims=world.claims | {act.claim: state})
    match act.action:
        case Action.OPEN_WINDOW:
            return replace(world, statefulset=ABSENT, set_uid="")
        case Action.DELETE_POD:
            return replace(world, pod_terminating=True)
        case Action.CREATE_POD:
            return replace(world, pod=NEW, ready=False, pod_owner="", pod_terminating=False)
        case _:
            return replace(world, statefulset=NEW, set_uid="set-2")


def _on_claim(state: ClaimState, action: Action) -> ClaimState:
    match action:
        case Action.REGISTER_DISK:
            return replace(state, is_disk=True)
        case Action.PROTECT_DISK:
            return replace(state, is_kept=True)
        case Action.DELETE_CLAIM:
            return replace(state, claim_terminating=True, bound=False)
        case Action.DELETE_VOLUME:
            return replace(state, volume_terminating=True)
        case Action.CREATE_VOLUME:
            return replace(state, new_volume=NEW)
        case _:
            return replace(state, claim=NEW, bound=False)


def _with_violations(world: World, act: Act) -> World:
    return replace(world, violations=world.violations + tuple(_broken_by(world, act)))


def _broken_by(world: World, act: Act) -> Iterator[str]:
    """What never happens, judged without the decision's help."""
    if act.claim:
        yield from _broken_on_claim(world, world.claims[act.claim], act.action)
    # On its old volume a pod is safe: Kubernetes knows that attachment as its own.
    on_new_volumes = any(s.new_volume is NEW for s in world.claims.values())
    if act.action is Action.CREATE_POD and world.attached and on_new_volumes:
        yield "started a pod on a disk that is held elsewhere"
    if act.action is Action.DELETE_POD and world.pod_owner:
        yield "deleted a pod that still belonged to a set"
    if act.action is Action.CLOSE_WINDOW and not _all_claims_there(world):
        yield "brought the set back while a claim was missing"


def _broken_on_claim(world: World, state: ClaimState, action: Action) -> Iterator[str]:
    if action in (Action.DELETE_CLAIM, Action.DELETE_VOLUME):
        yield from _broken_by_deletion(world, state)
    if action is Action.DELETE_VOLUME and state.claim is not ABSENT:
        yield "deleted a volume before its claim was gone"
    if action is Action.CREATE_VOLUME and state.old_volume is not ABSENT:
        yield "made the new volume before the old one was gone"
    if action is Action.CREATE_VOLUME and state.registered:
        yield "made the new volume while CNS had the old one"


def _broken_by_deletion(world: World, state: ClaimState) -> Iterator[str]:
    if not state.retain:
        yield "deleted what is not Retain"
    if world.attached or world.pod is not ABSENT:
        yield "deleted what is held"
    if not (state.is_disk and state.is_kept):
        yield "deleted what is no protected FCD yet"
    if world.statefulset is not ABSENT:
        yield "deleted under a live controller"


def _all_claims_there(world: World) -> bool:
    return all(state.claim is not ABSENT and state.bound for state in world.claims.values())


def others_act(world: World) -> World:
    """One thing that somebody else does by itself; the same world if nothing is left."""
    for later in _others(world):
        return later
    return world


def _others(world: World) -> Iterator[World]:
    if world.pod is not ABSENT and world.statefulset is ABSENT and world.pod_owner:
        yield replace(world, pod_owner="")
    if world.pod_terminating:
        yield replace(world, pod=ABSENT, pod_terminating=False, ready=False)
    if world.pod is ABSENT and world.attached:
        yield replace(world, attached=False)
    if ABSENT not in (world.pod, world.statefulset) and world.pod_owner != world.set_uid:
        yield replace(world, pod_owner=world.set_uid)
    if world.pod is ABSENT and world.statefulset is not ABSENT and _all_claims_there(world):
        yield replace(world, pod=OLD, pod_owner=world.set_uid, ready=False)
    if world.pod is not ABSENT and not world.ready and _all_claims_there(world):
        yield replace(world, ready=True, attached=True)
    for name, state in world.claims.items():
        for later in _others_on_claim(state):
            yield replace(world, claims=world.claims | {name: later})


def _others_on_claim(state: ClaimState) -> Iterator[ClaimState]:
    if state.claim_terminating:
        yield replace(state, claim=ABSENT, claim_terminating=False)
    if state.volume_terminating:
        yield replace(state, old_volume=ABSENT, volume_terminating=False)
    if state.old_volume is ABSENT and state.new_volume is ABSENT and state.registered:
        yield replace(state, registered=False)
    if state.new_volume is NEW and not state.registered:
        yield replace(state, registered=True)
    if state.claim is NEW and state.new_volume is NEW and not state.bound:
        yield replace(state, bound=True)
