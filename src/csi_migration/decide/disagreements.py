"""What the journal says was done, against what is seen.

The cluster is always right: a disagreement is told, never mended. While a run is
at work only strangers count, for everything else may be in motion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from csi_migration.decide.replica_rules import replica_refusals, set_refusals
from csi_migration.model.disk import Disk
from csi_migration.model.plan import ClaimPlan, MigrationPlan, ReplicaPlan
from csi_migration.model.seen import Presence, ReplicaSeen, Seen
from csi_migration.model.status import Disagreement, Write
from csi_migration.model.step import SET_POLICY, Action

_DELETING = {
    Action.OPEN_WINDOW.value,
    Action.DELETE_POD.value,
    Action.DELETE_CLAIM.value,
    Action.DELETE_VOLUME.value,
    Action.DELETE_CSI_CLAIM.value,
    Action.DELETE_CSI_VOLUME.value,
}
_CREATING = {
    Action.CREATE_VOLUME.value,
    Action.CREATE_CLAIM.value,
    Action.CREATE_POD.value,
    Action.CLOSE_WINDOW.value,
    Action.RESTORE_VOLUME.value,
    Action.RESTORE_CLAIM.value,
}
_ON_DISKS = (Action.REGISTER_DISK.value, Action.PROTECT_DISK.value)
_VOLUME, _POD, _SET = "PersistentVolume", "Pod", "StatefulSet"

_ASK = "Find out who did it before you go on; `resume` and `rollback` decide from what is there."
_LOOK = "Nothing to do: `resume` and `rollback` go on from what is there."


@dataclass(frozen=True, slots=True)
class Now:
    """What stands under each name of the plan, by (kind, name).

    `retained` tells of volumes that are there whether they are Retain; `disks` has
    the First Class Disk of each VMDK by path, None for one that is none.
    """

    objects: Mapping[tuple[str, str], Seen]
    retained: Mapping[str, bool]
    disks: Mapping[str, Disk | None]


def as_a_run_finds_it(seen: ReplicaSeen) -> ReplicaSeen:
    """The same with every volume Retain, which is what a run sees to before its first step."""
    claims = {
        name: replace(claim, retain=True, new_retain=True) for name, claim in seen.claims.items()
    }
    return replace(seen, claims=claims)


def disagreements(
    plan: MigrationPlan,
    seen: Mapping[str, ReplicaSeen],
    writes: Iterable[Write],
    *,
    is_at_work: bool,
) -> tuple[Disagreement, ...]:
    """All of them; `seen` is by pod name, `writes` in the journal's order."""
    strangers = tuple(_strangers(plan, seen))
    if is_at_work:
        return strangers
    now, known = _now(plan, seen), tuple(writes)
    return (*_open(known, now), *_undone(known, now), *_policies(plan, known, now), *strangers)


# What is there now ---------------------------------------------------------------


def _now(plan: MigrationPlan, seen: Mapping[str, ReplicaSeen]) -> Now:
    objects: dict[tuple[str, str], Seen] = {}
    retained: dict[str, bool] = {}
    disks: dict[str, Disk | None] = {}
    for replica in plan.replicas:
        found = seen[replica.pod]
        objects[_SET, plan.statefulset] = found.statefulset
        objects[_POD, replica.pod] = found.pod
        for claim in replica.claims:
            there = found.claims[claim.name]
            objects["PersistentVolumeClaim", claim.name] = there.claim
            objects[_VOLUME, claim.old_volume] = there.old_volume
            objects[_VOLUME, claim.new_volume] = there.new_volume
            retained |= {claim.old_volume: there.retain, claim.new_volume: there.new_retain}
            disks[str(claim.file.path)] = there.disk
    return Now(objects, retained, disks)


def _last_of_each(writes: tuple[Write, ...]) -> Iterator[Write]:
    """The last write to each object; what came before it no longer counts.

    A policy is told apart from the object that has it.
    """
    last = {(w.kind, w.name, w.action.startswith(SET_POLICY)): w for w in writes}
    yield from last.values()


# Writes whose outcome is not known -----------------------------------------------


def _open(writes: tuple[Write, ...], now: Now) -> Iterator[Disagreement]:
    for write in _last_of_each(writes):
        if write.is_open and _is_planned(write, now):
            outcome = "it has taken effect" if _took_effect(write, now) else "it has no effect yet"
            yield Disagreement(
                "open-intent",
                _subject(write.kind, write.name),
                f"{write.action} was announced at {write.time} and its outcome never recorded; "
                f"by what is seen, {outcome}",
                _LOOK,
            )


def _is_planned(write: Write, now: Now) -> bool:
    """The second backup is no part of the plan; `verify` looks for what is left of it."""
    return write.name in now.disks or (write.kind, write.name) in now.objects


def _took_effect(write: Write, now: Now) -> bool:
    if write.kind == "VMDK":
        disk = now.disks.get(write.name)
        wants_kept = write.action == Action.PROTECT_DISK.value
        return disk is not None and (disk.keep_after_delete_vm or not wants_kept)
    item = now.objects.get((write.kind, write.name), Seen(Presence.ABSENT))
    if write.action in _DELETING:
        return item.uid != write.uid or item.terminating
    if write.action.startswith(SET_POLICY):
        return now.retained.get(write.name) is _is_retain(write)
    return item.presence in (Presence.OLD, Presence.NEW)


def _is_retain(write: Write) -> bool:
    return write.action == f"{SET_POLICY}retain"


# What was done, and is not so now ------------------------------------------------


def _undone(writes: tuple[Write, ...], now: Now) -> Iterator[Disagreement]:
    for write in _last_of_each(writes):
        problem = "" if write.is_open else _contradiction(write, now)
        if problem:
            subject = _subject(write.kind, write.name)
            yield Disagreement("undone", subject, f"{problem} ({write.action}, {write.time})", _ASK)


def _contradiction(write: Write, now: Now) -> str:
    if write.action in _ON_DISKS:
        return _disk_contradiction(write, now.disks.get(write.name))
    item = now.objects.get((write.kind, write.name))
    if item is None or item.presence is Presence.FOREIGN:
        return ""  # no part of the plan, or told among the strangers
    if write.action in _DELETING:
        is_back = item.uid == write.uid and not item.terminating
        return "was deleted by the journal's word, and is there" if is_back else ""
    return _creation_contradiction(write, item, now) if write.action in _CREATING else ""


def _creation_contradiction(write: Write, item: Seen, now: Now) -> str:
    if write.kind == _POD and _has_controller(now):
        return ""  # pods come and go with their controller, as they always did
    if item.presence is Presence.ABSENT:
        return "was created by the journal's word, and is not there"
    if item.terminating:
        return "was created by the journal's word, and somebody is deleting it"
    if write.result and write.result != item.uid and write.kind != _POD:
        return f"is another one (uid {item.uid}) than was created (uid {write.result})"
    return ""


def _has_controller(now: Now) -> bool:
    sets = (item for (kind, _), item in now.objects.items() if kind == _SET)
    return any(item.presence is not Presence.ABSENT for item in sets)


def _disk_contradiction(write: Write, disk: Disk | None) -> str:
    if disk is None:
        return "was made a First Class Disk by the journal's word, and is none"
    if write.result not in ("", disk.id):
        return f"is First Class Disk {disk.id}, not {write.result}"
    if write.action == Action.PROTECT_DISK.value and not disk.keep_after_delete_vm:
        return "was made to outlive its VM by the journal's word, and does not"
    return ""


# Reclaim policies ----------------------------------------------------------------


def _policies(plan: MigrationPlan, writes: tuple[Write, ...], now: Now) -> Iterator[Disagreement]:
    for claim in _claims(plan):
        for volume, at_first in ((claim.old_volume, claim.reclaim_policy), (claim.new_volume, "")):
            item, is_retain = now.objects[_VOLUME, volume], now.retained[volume]
            wanted = _wanted_policy(volume, at_first, writes)
            is_there = item.presence in (Presence.OLD, Presence.NEW)
            if is_there and wanted and is_retain is not (wanted == "Retain"):
                yield _other_policy(volume, wanted, is_retain=is_retain)


def _wanted_policy(volume: str, at_first: str, writes: tuple[Write, ...]) -> str:
    """By the journal's last word about it; empty when a write's outcome is open."""
    policy = at_first
    for write in writes:
        if (write.kind, write.name) != (_VOLUME, volume):
            continue
        if write.action.startswith(SET_POLICY):
            policy = "" if write.is_open else write.action.removeprefix(SET_POLICY).capitalize()
        elif write.action in _CREATING:
            policy = "Retain"
    return policy


def _other_policy(volume: str, wanted: str, *, is_retain: bool) -> Disagreement:
    seen = "is Retain" if is_retain else "is not Retain"
    danger = "" if is_retain else "Delete no claim of it meanwhile: that would delete the disk. "
    return Disagreement(
        "policy-changed",
        _subject(_VOLUME, volume),
        f"its reclaim policy {seen}; by the journal it is {wanted}",
        f"{danger}Find out who changed it; a run sets Retain before it does anything.",
    )


# What nobody explains ------------------------------------------------------------


def _strangers(plan: MigrationPlan, seen: Mapping[str, ReplicaSeen]) -> Iterator[Disagreement]:
    first = next(iter(seen.values()), None)
    for refusal in set_refusals(first) if first else ():
        yield Disagreement("unexplained", f"sts/{plan.statefulset}", refusal, _ASK)
    for replica in plan.replicas:
        yield from _replica_strangers(replica, as_a_run_finds_it(seen[replica.pod]))


def _replica_strangers(replica: ReplicaPlan, seen: ReplicaSeen) -> Iterator[Disagreement]:
    for refusal in replica_refusals(replica, seen):
        yield Disagreement("unexplained", f"pod/{replica.pod}", refusal, _ASK)


def _claims(plan: MigrationPlan) -> Iterator[ClaimPlan]:
    return (claim for replica in plan.replicas for claim in replica.claims)


_SHORT = {_SET: "sts", _POD: "pod", "PersistentVolumeClaim": "pvc", _VOLUME: "pv", "VMDK": "vmdk"}


def _subject(kind: str, name: str) -> str:
    return f"{_SHORT.get(kind, kind.lower())}/{name}"
