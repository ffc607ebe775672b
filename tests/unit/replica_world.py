"""A replica, its disks and what the tool writes to them, as plain state.

Only what the decision can tell apart is modelled, and everything can be hashed, so
that all reachable worlds can be counted. Who else acts is in `replica_others`, what
must never happen in `replica_harm`.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from csi_migration.model.disk import Disk, DiskFile, DiskPath
from csi_migration.model.plan import ClaimPlan, ReplicaPlan
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import Act, Action, Look, LookAt

ABSENT, OLD, NEW, FOREIGN = Presence.ABSENT, Presence.OLD, Presence.NEW, Presence.FOREIGN

SETS = frozenset({1, 2})
"""The uids that the set may have, one after the other."""
OTHER_CONTROLLER = 3

Known = dict[LookAt, Hashable]
"""What was looked at, and the answers."""


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
        pod_uid="pod-first",
        pod_manifest={},
        node="node-1",
        grace_seconds=30.0,
        claims=tuple(claim_plan(name) for name in claims),
    )


@dataclass(frozen=True, slots=True)
class VolumeState:
    """`ref` is the uid in its claimRef: 0 for a claim by name only, None for no claimRef."""

    presence: Presence = ABSENT
    retain: bool = True
    ref: int | None = 0
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim, its two volumes and their one disk.

    `holder` is the side for which the disk is attached, FOREIGN for a VM that is
    none of the cluster's business; `events` is what the syncer has not worked off
    yet: True to register the disk in CNS, False to let go of it; `is_lost` is the
    phase of a claim whose volume vanished under it.
    """

    name: str = "data"
    presence: Presence = OLD
    uid: int = 1
    terminating: bool = False
    old: VolumeState = VolumeState(OLD, ref=1)
    new: VolumeState = VolumeState()
    holder: Presence = OLD
    is_disk: bool = False
    is_kept: bool = False
    is_moved: bool = False
    registered: bool = True
    events: tuple[bool, ...] = ()
    is_lost: bool = False

    @property
    def stands(self) -> bool:
        return self.presence in (OLD, NEW) and not self.terminating

    @property
    def volume(self) -> VolumeState:
        """The volume that the claim names."""
        return self.volume_of(NEW if self.presence is NEW else OLD)

    def volume_of(self, side: Presence) -> VolumeState:
        return self.new if side is NEW else self.old

    @property
    def is_bound(self) -> bool:
        is_there = self.presence in (OLD, NEW) and self.volume.presence is self.presence
        return is_there and self.volume.ref == self.uid

    @property
    def is_bindable(self) -> bool:
        volume = self.volume
        is_there = self.stands and volume.presence is self.presence and not volume.terminating
        return is_there and not self.is_lost and volume.ref in (None, 0, self.uid)

    def is_released(self, volume: VolumeState) -> bool:
        if volume.presence is ABSENT or not volume.ref:
            return False
        return self.presence is ABSENT or self.uid != volume.ref

    def free_uid(self) -> int:
        """The least one that nothing carries, so that the number of worlds stays finite."""
        return min({1, 2, 3, 4} - {self.uid, self.old.ref, self.new.ref})


@dataclass(frozen=True, slots=True)
class SetState:
    """`csi_templates` are those that it has, or had while it is absent."""

    presence: Presence = OLD
    uid: int = 1
    terminating: bool = False
    spec_changed: bool = False
    csi_templates: bool = False

    @property
    def acts(self) -> bool:
        """Whether its controller does anything."""
        return self.presence is not ABSENT and not self.terminating


@dataclass(frozen=True, slots=True)
class PodState:
    """`owner` is a uid, 0 for an orphan; `is_first` tells the one that was backed up."""

    presence: Presence = OLD
    owner: int = 1
    terminating: bool = False
    ready: bool = True
    is_first: bool = True


GONE = PodState(ABSENT, owner=0, ready=False, is_first=False)


@dataclass(frozen=True, slots=True)
class World:
    """Everything about one replica.

    `disturbed` names what somebody else did to it, `harm` what must never happen.
    """

    claims: tuple[ClaimState, ...]
    statefulset: SetState = SetState()
    pod: PodState = PodState()
    others_gone: bool = False
    collector_away: bool = False
    disturbed: frozenset[str] = frozenset()
    harm: frozenset[str] = frozenset()

    def claim(self, name: str) -> ClaimState:
        return next(state for state in self.claims if state.name == name)

    def with_claim(self, changed: ClaimState) -> World:
        claims = tuple(changed if s.name == changed.name else s for s in self.claims)
        return replace(self, claims=claims)

    def harmed(self, *harm: str) -> World:
        return replace(self, harm=self.harm | set(harm)) if harm else self


def in_tree_world(plan: ReplicaPlan) -> World:
    return World(claims=tuple(ClaimState(claim.name) for claim in plan.claims))


def csi_world(plan: ReplicaPlan) -> World:
    """As a migration leaves it, its volumes Retain."""
    return World(
        claims=tuple(
            ClaimState(
                claim.name,
                presence=NEW,
                old=VolumeState(),
                new=VolumeState(NEW, ref=1),
                holder=NEW,
                is_disk=True,
                is_kept=True,
            )
            for claim in plan.claims
        ),
        statefulset=SetState(NEW, csi_templates=True),
        pod=PodState(is_first=False),
    )


# What is seen -----------------------------------------------------------------


def seen_in(world: World, known: Known, plan: ReplicaPlan, *, to_csi: bool) -> ReplicaSeen:
    """What an observer tells who has looked at just these things."""
    statefulset, pod = world.statefulset, world.pod
    is_away = statefulset.presence is ABSENT
    return ReplicaSeen(
        statefulset=SetSeen(
            statefulset.presence,
            uid="" if is_away else f"set-{statefulset.uid}",
            terminating=statefulset.terminating,
            spec_changes=("spec.replicas",) if statefulset.spec_changed else (),
            templates_differ=not is_away and statefulset.csi_templates is not to_csi,
        ),
        pod=PodSeen(
            pod.presence,
            uid="pod-first" if pod.is_first else "pod-later",
            terminating=pod.terminating,
            owner=f"set-{pod.owner}" if pod.owner else "",
            ready=pod.ready and not pod.terminating,
        ),
        claims={c.name: _claim_seen(world.claim(c.name), known) for c in plan.claims},
        attached_by=known.get(LookAt(Look.ATTACHMENTS)),  # type: ignore[arg-type]
        left_owned=known.get(LookAt(Look.ORPHANS)),  # type: ignore[arg-type]
        others_gone=("web-1",) if world.others_gone and is_away else (),
    )


def _claim_seen(state: ClaimState, known: Known) -> ClaimSeen:
    at_disk = LookAt(Look.DISK, state.name)
    return ClaimSeen(
        claim=Seen(state.presence, terminating=state.terminating),
        bound=state.is_bound,
        old_volume=Seen(state.old.presence, terminating=state.old.terminating),
        retain=state.old.retain,
        released=(state.is_released(state.old), state.is_released(state.new)),
        new_volume=Seen(state.new.presence, terminating=state.new.terminating),
        new_retain=state.new.retain,
        disk=known.get(at_disk),  # type: ignore[arg-type]
        disk_looked_up=at_disk in known,
        registered=known.get(LookAt(Look.REGISTRATION, state.name)),  # type: ignore[arg-type]
    )


def answer(world: World, at: LookAt, known: Known) -> Hashable:
    """What a look finds out."""
    match at.look:
        case Look.ORPHANS:
            return ("pod/web-2",) if world.pod.owner in SETS else ()
        case Look.ATTACHMENTS:
            return tuple(f"{s.name}: {s.holder}" for s in world.claims if s.holder is not ABSENT)
        case Look.DISK:
            return _disk(world.claim(at.claim))
        case Look.REGISTRATION:
            # CNS is asked for an id, and the id comes from the disk.
            return known[LookAt(Look.DISK, at.claim)] is not None and _knows(world, at.claim)


def _knows(world: World, claim: str) -> bool:
    return world.claim(claim).registered


def _disk(state: ClaimState) -> Disk | None:
    if not state.is_disk:
        return None
    folder = "elsewhere" if state.is_moved else "kubevols"
    return Disk("fcd", "n", DiskPath("ds", f"{folder}/{state.name}.vmdk"), 0, state.is_kept)


# What the tool writes -----------------------------------------------------------


def perform(world: World, act: Act, *, csi_templates: bool) -> World:
    """The world right after the tool's write, its harm not judged yet."""
    if act.claim:
        return world.with_claim(_on_claim(world.claim(act.claim), act.action))
    statefulset = world.statefulset
    match act.action:
        case Action.OPEN_WINDOW:
            return replace(world, statefulset=replace(statefulset, terminating=True))
        case Action.DELETE_POD:
            return replace(world, pod=replace(world.pod, terminating=True))
        case Action.CREATE_POD:
            made = PodState(NEW, owner=0, ready=False, is_first=False)
            return replace(world, pod=made)
        case _:
            uid = min(SETS - {world.pod.owner})
            return replace(world, statefulset=SetState(NEW, uid, csi_templates=csi_templates))


def _on_claim(state: ClaimState, action: Action) -> ClaimState:
    match action:
        case Action.REGISTER_DISK:
            return replace(state, is_disk=True)
        case Action.PROTECT_DISK:
            return replace(state, is_kept=True)
        case Action.DELETE_CLAIM | Action.DELETE_CSI_CLAIM:
            return replace(state, terminating=True)
        case Action.DELETE_VOLUME:
            return replace(state, old=replace(state.old, terminating=True))
        case Action.DELETE_CSI_VOLUME:
            return replace(state, new=replace(state.new, terminating=True))
        case Action.CREATE_VOLUME:
            return replace(state, new=VolumeState(NEW), events=(*state.events, True))
        case Action.RESTORE_VOLUME:
            return replace(state, old=VolumeState(OLD), events=(*state.events, True))
        case Action.CREATE_CLAIM:
            return replace(state, presence=NEW, uid=state.free_uid())
        case _:
            return replace(state, presence=OLD, uid=state.free_uid())
