"""All cases of a scenario, and samples of them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tests.torture.case import Case, Command, Stage, Strike
from tests.torture.fault import FAULTS, KILLS, KILLS_ANYWHERE, Fault
from tests.torture.scenario import SCENARIOS
from tests.torture.signature import Signature

AFTER_A_KILL: tuple[Command, ...] = ("resume", "rollback")
# Each read is much like the next one, and there are hundreds.
READS_SAMPLED = 40
# One that sets an annotation and one that takes it off; many a run needs none.
TOUCHES = 2
WATCHES_SAMPLED = 20
CALLS_SAMPLED = 60
LATE_SAMPLED = 24
TWO_FAULTS_SAMPLED = 60
ONE_REPLICA_SAMPLED = 30


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an undisturbed run asked for, in its order."""

    writes: Sequence[Signature]
    reads: int
    watches: int = 0
    calls: int = 0


def cases(scenario: str, traffic: Traffic, seed: str) -> list[Case]:
    """The full matrix of a scenario; reads and pairs of faults are drawn by `seed`."""
    chance = random.Random(f"{seed}/{scenario}")
    found = chain(
        _writes(scenario, traffic.writes),
        _touches(scenario),
        _reads(scenario, traffic.reads, chance),
        _rollbacks(scenario, len(traffic.writes), chance),
        _pairs(scenario, len(traffic.writes), chance),
        # Drawn last: what was drawn by a seed before these were there is still drawn by it.
        _faults_later(scenario, traffic, chance),
        _one_replica(scenario, len(traffic.writes), chance),
        _watches(scenario, traffic.watches, chance),
        _calls(scenario, traffic, chance),
        _late(scenario, len(traffic.writes), chance),
    )
    return list(dict.fromkeys(found))


def sample(found: Sequence[Case], count: int, seed: str) -> list[Case]:
    """So many of them, in a random order; all of them for a count of 0."""
    chance = random.Random(seed)
    return chance.sample(found, min(count or len(found), len(found)))


def shard(found: Iterable[Case], number: int, of: int) -> list[Case]:
    """The `number`-th of `of` parts, from 1.

    A case's part depends on its name alone, so that two machines agree on it
    although one of them saw a write more in its undisturbed run.
    """
    return [case for case in found if zlib.crc32(str(case).encode()) % of == number - 1]


def _writes(scenario: str, writes: Sequence[Signature]) -> Iterable[Case]:
    for number, signature in enumerate(writes, 1):
        for kill in (each for each in KILLS if each.makes_sense_for(signature)):
            for command in AFTER_A_KILL:
                yield _case(scenario, Strike("w", number, kill), command)
        for fault in FAULTS:
            if fault.makes_sense_for(signature):
                yield _case(scenario, Strike("w", number, fault), "resume")


def _touches(scenario: str) -> Iterable[Case]:
    """What a touch leaves behind must go, whoever comes next."""
    for number in range(1, TOUCHES + 1):
        for kill in KILLS:
            for command in AFTER_A_KILL:
                yield _case(scenario, Strike("t", number, kill), command)
        yield _case(scenario, Strike("t", number, Fault.CUT_APPLIED), "resume")
        yield _case(scenario, Strike("t", number, Fault.ANSWER_409), "resume")


def _reads(scenario: str, reads: int, chance: random.Random) -> Iterable[Case]:
    for _ in range(READS_SAMPLED):
        fault = chance.choice([*KILLS_ANYWHERE, *(each for each in FAULTS if _suits_reads(each))])
        strike = Strike("r", chance.randint(1, reads), fault)
        command = chance.choice(AFTER_A_KILL) if fault.is_kill else "resume"
        yield _case(scenario, strike, command)


def _watches(scenario: str, watches: int, chance: random.Random) -> Iterable[Case]:
    """How many there are is a matter of time."""
    suits = [fault for fault in FAULTS if fault is not Fault.ANSWER_409]
    for _ in range(WATCHES_SAMPLED if watches else 0):
        fault = chance.choice([*KILLS_ANYWHERE, *suits])
        strike = Strike("v", chance.randint(1, watches), fault)
        command = chance.choice(AFTER_A_KILL) if fault.is_kill else "resume"
        yield _case(scenario, strike, command)


def _calls(scenario: str, traffic: Traffic, chance: random.Random) -> Iterable[Case]:
    """Of a migration, and of what takes it up once some of it is done."""
    suits = [fault for fault in FAULTS if _suits_reads(fault) and fault is not Fault.ANSWER_429]
    for number in range(CALLS_SAMPLED if traffic.calls else 0):
        strike = Strike("c", chance.randint(1, traffic.calls), chance.choice(suits))
        if number % 3 == 0:
            yield _case(scenario, strike, "resume")
            continue
        first = _any_kill(len(traffic.writes), chance)
        later = Stage(chance.choice(AFTER_A_KILL), replace(strike, number=(strike.number + 1) // 2))
        then = Stage(chance.choice(AFTER_A_KILL))
        yield Case(scenario, (Stage("all", first), later, then))


def _late(scenario: str, writes: int, chance: random.Random) -> Iterable[Case]:
    """What a rollback or a `resume` had sent before it died, when the set went the other way."""
    for number in range(LATE_SAMPLED):
        strike = Strike("w", chance.randint(1, writes), Fault.KILL_LATE)
        first, second = Stage("all"), Stage("rollback", strike)
        if number % 2:
            first = Stage("all", _any_kill(writes, chance))
            second = replace(second, command="resume")
        then = Stage("rollback" if number % 2 else "resume")
        yield Case(scenario, (first, second, then))


def _suits_reads(fault: Fault) -> bool:
    """Watches alone can be told that they are too old."""
    return fault not in (Fault.ANSWER_409, Fault.ANSWER_410)


def _rollbacks(scenario: str, writes: int, chance: random.Random) -> Iterable[Case]:
    """A migration that is through is rolled back, undisturbed and killed again and again."""
    yield Case(scenario, (Stage("all"), Stage("rollback")))
    for _ in range(TWO_FAULTS_SAMPLED // 3):
        back = Stage("rollback", _any_kill(writes, chance))
        then = chance.choice(AFTER_A_KILL)
        yield Case(scenario, (Stage("all"), back, Stage(then)))


def _pairs(scenario: str, writes: int, chance: random.Random) -> Iterable[Case]:
    """Killed in `all`, then again in what takes it up; then forwards or back."""
    ways: tuple[tuple[Command, Command], ...] = (
        ("resume", "resume"),
        ("rollback", "rollback"),
        ("rollback", "resume"),
        ("resume", "rollback"),
    )
    for number in range(TWO_FAULTS_SAMPLED):
        second, third = ways[number % len(ways)]
        first = _any_kill(writes, chance)
        # What is left to do is less than the whole: most of these are reached.
        left = writes - first.number if second == "resume" else first.number
        strikes = _any_kill(max(3, left), chance)
        yield Case(scenario, (Stage("all", first), Stage(second, strikes), Stage(third)))


def _faults_later(scenario: str, traffic: Traffic, chance: random.Random) -> Iterable[Case]:
    """Killed half-way, then a fault meets what takes it up; then on, or the other way."""
    ways: tuple[tuple[Command, Command], ...] = (
        ("resume", "resume"),
        ("rollback", "rollback"),
        ("resume", "rollback"),
        ("rollback", "resume"),
    )
    for number in range(TWO_FAULTS_SAMPLED):
        second, third = ways[number % len(ways)]
        first = _any_kill(len(traffic.writes), chance)
        done = first.number - 1
        # As much as was done is to be undone, much like it.
        left = traffic.writes[done:] if second == "resume" else traffic.writes[: max(3, done)]
        later = Stage(second, _any_fault(left, traffic.reads, chance))
        yield Case(scenario, (Stage("all", first), later, Stage(third)))


def _any_fault(writes: Sequence[Signature], reads: int, chance: random.Random) -> Strike:
    """At a write three times of four."""
    if chance.random() < 0.25:
        suits = [fault for fault in FAULTS if _suits_reads(fault)]
        return Strike("r", chance.randint(1, reads // 2 + 1), chance.choice(suits))
    number = chance.randint(1, len(writes))
    suits = [fault for fault in FAULTS if fault.makes_sense_for(writes[number - 1])]
    return Strike("w", number, chance.choice(suits))


def _one_replica(scenario: str, writes: int, chance: random.Random) -> Iterable[Case]:
    """One of several replicas goes back, of a migration that is through or was killed."""
    replicas = SCENARIOS[scenario].workload("any").replicas if scenario in SCENARIOS else 1
    if replicas < 2:
        return
    undisturbed = [
        (Stage("all"), Stage("rollback", None, ordinal), Stage(then))
        for ordinal in range(replicas)
        for then in AFTER_A_KILL
    ]
    for stages in undisturbed:
        yield Case(scenario, stages)
    for number in range(ONE_REPLICA_SAMPLED - len(undisturbed)):
        in_all = number % 3 == 0
        # What one replica takes is about its part of the whole.
        strike = _any_kill(writes if in_all else max(1, writes // replicas), chance)
        one = Stage("rollback", None if in_all else strike, chance.randrange(replicas))
        again = [replace(one, strike=None)] if number % 3 == 1 else []
        then = Stage(chance.choice(AFTER_A_KILL))
        yield Case(scenario, (Stage("all", strike if in_all else None), one, *again, then))


def _any_kill(writes: int, chance: random.Random) -> Strike:
    return Strike("w", chance.randint(1, writes), chance.choice(KILLS_ANYWHERE))


def _case(scenario: str, strike: Strike, then: Command) -> Case:
    return Case(scenario, (Stage("all", strike), Stage(then)))
