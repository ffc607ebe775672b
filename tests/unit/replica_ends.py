"""How a run may end that does not get there: in which words, when they are true, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from csi_migration.model.step import AwaitIt, Refuse, Retreat, Step, Wait
from tests.unit.replica_world import ABSENT, FOREIGN, SETS, ClaimState, World

End = str | Wait
"""The words of a refusal, or what is waited for in vain."""

THERE = ""
"""The end of a run that gets there."""

ANOTHER_SET = "somebody else created the StatefulSet again"
OTHER_SPEC = "somebody changed the StatefulSet since it was backed up"
FOREIGN_POD = r"pod \S+ \(uid .*\) was made by somebody else"
FOREIGN_CLAIM = r"claim \S+ \(uid .*\) was made by somebody else"
FOREIGN_VOLUME = r"volume \S+ \(uid .*\) was made by somebody else"
NOT_RETAIN = r"the reclaim policy of volume \S+ is no longer Retain"
NO_REFERENCE = r"volume \S+ has lost its claimRef"
VOLUME_GONE = r"volume \S+ is gone, and its claim can't be seen"
MOVED = r"First Class Disk \S+ lies at"
NO_DISK = "vCenter's catalog shows no First Class Disk of"
CLAIM_GOING = r"somebody is deleting claim \S+, which goes when its pod goes"
VOLUME_GOING = r"somebody is deleting volume \S+, which goes when its claim goes"
OLD_VOLUME_GOING = "somebody is deleting the in-tree volume"
HALF_SWAPPED = "a pod runs although its claims are only half swapped"
UNDER_A_SET = "the StatefulSet is there while a claim is missing"
NO_SET_OVER_IT = r"claim .* is missing or going away: the StatefulSet's controller"
ONLY_FORWARDS = "a claim of this replica was deleted already"
OTHERS_GONE = r"\S+ vanished while the StatefulSet is away"

_NOT_WHOLE: frozenset[End] = frozenset({UNDER_A_SET, HALF_SWAPPED})

ENDS: dict[str, frozenset[End]] = {
    "attached elsewhere": frozenset({Wait.DETACHED, Wait.READY}),
    "claim deleted": _NOT_WHOLE | {THERE, CLAIM_GOING, NO_DISK},
    "claim made by somebody": frozenset({FOREIGN_CLAIM}),
    "claim vanished": _NOT_WHOLE | {THERE, NO_DISK},
    "deletion unnoticed": frozenset({Wait.UNREGISTERED}),
    "disk moved": frozenset({THERE, MOVED}),
    "disk unknown": frozenset({THERE, NO_DISK}),
    "disk unprotected": frozenset({THERE}),
    "garbage collector away": frozenset({THERE, Wait.ORPHANED}),
    "new claimRef removed": _NOT_WHOLE | {THERE, NO_REFERENCE},
    "new policy set to Delete": frozenset({THERE, NOT_RETAIN}),
    "new volume deleted": frozenset({THERE, VOLUME_GOING}),
    "new volume made by somebody": frozenset({FOREIGN_VOLUME}),
    "new volume vanished": _NOT_WHOLE | {THERE, VOLUME_GONE, Wait.BOUND},
    "old claimRef removed": _NOT_WHOLE | {THERE, NO_REFERENCE},
    "old policy set to Delete": frozenset({THERE, NOT_RETAIN}),
    "old volume deleted": _NOT_WHOLE | {THERE, OLD_VOLUME_GOING, NO_DISK},
    "old volume made by somebody": frozenset({FOREIGN_VOLUME}),
    "old volume vanished": _NOT_WHOLE | {THERE, VOLUME_GONE, NO_DISK, Wait.BOUND},
    "other pods vanished": frozenset({THERE, OTHERS_GONE}),
    "pod adopted by another controller": frozenset({THERE, Wait.ADOPTED}),
    "pod deleted": frozenset({THERE}),
    "pod made by somebody": frozenset({FOREIGN_POD}),
    "pod not ready": frozenset({THERE}),
    "pod vanished": frozenset({THERE}),
    "registration lost": frozenset({THERE}),
    "set deleted": frozenset({THERE}),
    "set made by somebody": frozenset({ANOTHER_SET}),
    "set vanished": frozenset({THERE}),
    "spec changed": frozenset({OTHER_SPEC}),
}
"""Every end of a run that this alone was done to, at whatever moment."""


def ends_in(step: Step) -> frozenset[End]:
    """What the last decision says, clause by clause; an unknown clause is itself."""
    match step:
        case Refuse(reason) | Retreat(reason):
            return frozenset(_known(clause) for clause in reason.split("; "))
        case AwaitIt(wait):
            return frozenset({wait})
        case _:
            return frozenset({THERE})


def _known(clause: str) -> str:
    words = (end for end in _TRUE_OF if isinstance(end, str) and re.match(end, clause))
    return next(words, clause)


def unexplained(world: World, step: Step) -> Iterator[str]:
    """The parts of an end that are not true of this world, or nobody's doing."""
    for end in ends_in(step):
        if end not in _TRUE_OF or not _TRUE_OF[end](world):
            yield f"{end!r} is not true"
        elif not world.disturbed & _CAUSES.get(end, set()):
            yield f"{end!r} comes of none of {set(world.disturbed)}"


def _any_claim(holds: Callable[[ClaimState], bool]) -> Callable[[World], bool]:
    return lambda world: any(holds(state) for state in world.claims)


def _is_between(world: World) -> bool:
    """Whether the replica stands on neither side as a whole; what is not bound yet is not whole."""
    sides = {state.presence for state in world.claims}
    is_whole = all(s.is_bound and s.stands and not s.volume.terminating for s in world.claims)
    return len(sides) > 1 or not is_whole


_TRUE_OF: dict[End, Callable[[World], bool]] = {
    ANOTHER_SET: lambda world: world.statefulset.presence is FOREIGN,
    OTHER_SPEC: lambda world: world.statefulset.spec_changed,
    FOREIGN_POD: lambda world: world.pod.presence is FOREIGN,
    FOREIGN_CLAIM: _any_claim(lambda s: s.presence is FOREIGN),
    FOREIGN_VOLUME: _any_claim(lambda s: FOREIGN in (s.old.presence, s.new.presence)),
    NOT_RETAIN: _any_claim(lambda s: not (s.old.retain and s.new.retain)),
    NO_REFERENCE: _any_claim(lambda s: None in (s.old.ref, s.new.ref)),
    VOLUME_GONE: _any_claim(lambda s: s.volume.presence is ABSENT),
    MOVED: _any_claim(lambda s: s.is_moved),
    NO_DISK: _any_claim(lambda s: not s.is_disk),
    CLAIM_GOING: _any_claim(lambda s: s.terminating),
    VOLUME_GOING: _any_claim(lambda s: s.new.terminating),
    OLD_VOLUME_GOING: _any_claim(lambda s: s.old.terminating),
    HALF_SWAPPED: lambda world: world.pod.presence is not ABSENT and _is_between(world),
    UNDER_A_SET: lambda world: world.statefulset.presence is not ABSENT and _is_between(world),
    NO_SET_OVER_IT: _any_claim(lambda s: not s.stands),
    ONLY_FORWARDS: _is_between,
    OTHERS_GONE: lambda world: world.others_gone and world.statefulset.presence is ABSENT,
    Wait.DETACHED: _any_claim(lambda s: s.holder is not ABSENT),
    Wait.READY: lambda world: not world.pod.ready,
    Wait.ADOPTED: lambda world: world.pod.owner != world.statefulset.uid,
    Wait.ORPHANED: lambda world: world.statefulset.terminating or world.pod.owner in SETS,
    Wait.UNREGISTERED: _any_claim(lambda s: s.registered),
    Wait.BOUND: _any_claim(lambda s: not s.is_bound),
}

# What a disturbance leads to only after another one, or after the run was turned round.
_LATER: dict[End, set[str]] = {
    # Undone for whatever reason, a replica has its pod before its claims are bound again.
    HALF_SWAPPED: set(ENDS),
    UNDER_A_SET: set(ENDS),
    FOREIGN_CLAIM: {"set made by somebody", "claim deleted", "claim vanished"},
    VOLUME_GONE: {"old volume deleted", "new volume deleted"},
    Wait.READY: {"disk unknown", "old volume vanished", "new volume vanished"},
    Wait.ADOPTED: {"garbage collector away"},
}
_CAUSES: dict[End, set[str]] = {
    end: _LATER.get(end, set()) | {name for name, ends in ENDS.items() if end in ends}
    for end in _TRUE_OF
}
