"""Every step of a migration before it begins, by the very decisions that a run takes.

The planner is walked over a world in which everybody does at once what is waited
for: what is printed can't differ from what is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csi_migration.decide.next_step import next_step
from csi_migration.model.disk import Disk
from csi_migration.model.outline import PlannedStep
from csi_migration.model.plan import MigrationPlan, ReplicaPlan, Window
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import Act, Action, Finished, Look, LookAt

_GONE = Seen(Presence.ABSENT)
_SET_TO_COME = SetSeen(Presence.NEW, "set-to-come")
_ID_TO_COME = "disk-to-come"
_MOST_STEPS = 1000


def outline_steps(
    plan: MigrationPlan, disks: dict[str, Disk], window: Window, at_once: int = 1
) -> list[PlannedStep]:
    """All writes in their order; those of replicas that are swapped at once one after the other.

    `disks` are the First Class Disks there are, by claim name.

    Raises:
        RuntimeError: the planner waits or refuses where nothing is in the way.
    """
    found, steps = SetSeen(Presence.OLD, plan.uid), list[PlannedStep]()
    own = window if at_once == 1 else Window.RUN
    for number, replica in enumerate(plan.replicas, 1):
        for act, after in _walk(replica, found, disks, own):
            steps.append(PlannedStep(replica.pod, act.action, act.claim))
            found = after
        is_last = number == len(plan.replicas)
        is_shared = window is Window.REPLICA and number % at_once == 0
        if found.presence is Presence.ABSENT and (is_last or is_shared):
            steps.append(PlannedStep("", Action.CLOSE_WINDOW))
            found = _SET_TO_COME
    return steps


def _walk(
    replica: ReplicaPlan, statefulset: SetSeen, disks: dict[str, Disk], window: Window
) -> Iterator[tuple[Act, SetSeen]]:
    seen = _at_first(replica, statefulset)
    known = {claim.name: disks.get(claim.name) for claim in replica.claims}
    for _ in range(_MOST_STEPS):
        step = next_step(replica, seen, window)
        match step:
            case Finished():
                return
            case LookAt():
                seen = _looked(seen, step, known)
            case Act():
                known |= _registered(replica, step, known)
                seen = _done(seen, step)
                yield step, seen.statefulset
            case _:
                raise RuntimeError(f"{replica.pod}: the planner says {step} at its start")
    raise RuntimeError(f"{replica.pod}: the planner does not come to an end")


def _at_first(replica: ReplicaPlan, statefulset: SetSeen) -> ReplicaSeen:
    there = Seen(Presence.OLD)
    owner = statefulset.uid if statefulset.presence is not Presence.ABSENT else ""
    return ReplicaSeen(
        statefulset=statefulset,
        pod=PodSeen(Presence.OLD, replica.pod_uid, owner=owner, ready=True),
        claims={
            claim.name: ClaimSeen(
                claim=replace(there, uid=claim.uid),
                bound=True,
                old_volume=there,
                retain=True,
                new_volume=_GONE,
            )
            for claim in replica.claims
        },
    )


def _looked(seen: ReplicaSeen, at: LookAt, known: dict[str, Disk | None]) -> ReplicaSeen:
    """Nothing owns, nothing holds, and CNS knows the disk of the volume that stands."""
    match at.look:
        case Look.ORPHANS:
            return replace(seen, left_owned=())
        case Look.ATTACHMENTS:
            return replace(seen, attached_by=())
        case Look.DISK:
            return _with(seen, at.claim, disk=known[at.claim], disk_looked_up=True)
        case Look.REGISTRATION:
            is_new = seen.claims[at.claim].new_volume.presence is Presence.NEW
            return _with(seen, at.claim, registered=is_new)


def _registered(
    replica: ReplicaPlan, act: Act, known: dict[str, Disk | None]
) -> dict[str, Disk | None]:
    """The disk that there is after it was registered or protected."""
    if act.action not in (Action.REGISTER_DISK, Action.PROTECT_DISK):
        return {}
    claim, disk = replica.claim(act.claim), known[act.claim]
    if disk is None:
        disk = Disk(_ID_TO_COME, "", claim.file.path, 0, keep_after_delete_vm=False)
    is_kept = act.action is Action.PROTECT_DISK
    return {act.claim: replace(disk, keep_after_delete_vm=is_kept)}


def _done(seen: ReplicaSeen, act: Act) -> ReplicaSeen:
    """The world right after a write that everybody has answered."""
    match act.action:
        case Action.OPEN_WINDOW:
            pod = replace(seen.pod, owner="")
            return replace(seen, statefulset=SetSeen(Presence.ABSENT), pod=pod, left_owned=None)
        case Action.DELETE_POD:
            return replace(seen, pod=PodSeen(Presence.ABSENT))
        case Action.CREATE_POD:
            return replace(seen, pod=PodSeen(Presence.NEW, "pod-to-come", ready=True))
        case Action.CLOSE_WINDOW:
            pod = replace(seen.pod, owner=_SET_TO_COME.uid)
            return replace(seen, statefulset=_SET_TO_COME, pod=pod)
        case _:
            return _on_claim(seen, act)


def _on_claim(seen: ReplicaSeen, act: Act) -> ReplicaSeen:
    match act.action:
        case Action.DELETE_CLAIM:
            return _with(seen, act.claim, claim=_GONE, bound=False)
        case Action.DELETE_VOLUME:
            return _with(seen, act.claim, old_volume=_GONE, registered=None)
        case Action.CREATE_VOLUME:
            return _with(seen, act.claim, new_volume=Seen(Presence.NEW), registered=None)
        case Action.CREATE_CLAIM:
            return _with(seen, act.claim, claim=Seen(Presence.NEW), bound=True)
        case _:
            return _with(seen, act.claim, disk_looked_up=False)


def _with(seen: ReplicaSeen, name: str, /, **changes: object) -> ReplicaSeen:
    changed = replace(seen.claims[name], **changes)  # type: ignore[arg-type]
    return replace(seen, claims=seen.claims | {name: changed})
