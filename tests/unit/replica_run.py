"""A run with one replica in hand: its memory, its direction, its steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from csi_migration.decide.back_step import back_step, templates_step
from csi_migration.decide.next_step import can_retreat, next_step, retreat_step
from csi_migration.decide.replica_rules import Decide
from csi_migration.engine.facts import Facts
from csi_migration.model.plan import Direction, ReplicaPlan, Window
from csi_migration.model.step import (
    Act,
    Action,
    AwaitIt,
    Finished,
    Look,
    LookAt,
    Refuse,
    Retreat,
    Step,
    Wait,
)
from tests.unit.replica_harm import harm_of
from tests.unit.replica_last_look import last_look
from tests.unit.replica_others import others_act
from tests.unit.replica_world import Known, World, answer, perform, seen_in

ENOUGH_STEPS = 400


@dataclass(frozen=True, slots=True)
class Memory:
    """What a run knows that dies with it."""

    known: frozenset[tuple[LookAt, Hashable]] = frozenset()
    has_waited: bool = False
    is_there: bool = False
    """Whether the replica is done and only the set's templates are left."""

    def without(self, look: Look | None) -> Memory:
        known = frozenset(pair for pair in self.known if pair[0].look is not look)
        return replace(self, known=known)


NOTHING = Memory()


@dataclass(frozen=True, slots=True)
class Run:
    """Which replica, which way, how long the set is away; `retreats` while it undoes."""

    plan: ReplicaPlan
    direction: Direction
    window: Window
    retreats: bool = False

    @property
    def to_csi(self) -> bool:
        return self.direction is Direction.TO_CSI

    def step(self, world: World, memory: Memory) -> Step:
        """What is decided, the engine's order of decisions and its last looks included."""
        seen = seen_in(world, dict(memory.known), self.plan, to_csi=self.to_csi)
        step = self._decide(memory)(self.plan, seen, self.window)
        refused = last_look(self.plan, world, step) if isinstance(step, Act) else None
        return refused or step

    def _decide(self, memory: Memory) -> Decide:
        if self.retreats:
            return retreat_step
        if memory.is_there:
            return templates_step
        return next_step if self.to_csi else back_step

    def take(self, world: World, memory: Memory, step: Step) -> tuple[World, Memory]:
        """The world and the memory after this step; others have not acted yet."""
        match step:
            case LookAt():
                return self._look(world, memory, step)
            case AwaitIt():
                left = _left_after_wait(step, memory.known)
                return world, replace(memory, known=left, has_waited=True)
            case Act(Action.CREATE_POD) if memory.has_waited:
                # As the engine does: one more look at who holds the disks.
                left = frozenset(k for k in memory.known if k[0].look is not Look.ATTACHMENTS)
                return world, replace(memory, known=left, has_waited=False)
            case Act():
                return self._act(world, memory, step)
            case Finished():
                return world, replace(memory, is_there=True)
            case _:
                return world, memory

    def _look(self, world: World, memory: Memory, at: LookAt) -> tuple[World, Memory]:
        known: Known = dict(memory.known)
        found = (at, answer(world, at, known))
        return world, replace(memory, known=memory.known | {found})

    def _act(self, world: World, memory: Memory, act: Act) -> tuple[World, Memory]:
        harm = tuple(harm_of(world, act, retreats=self.retreats))
        before = world.statefulset.csi_templates
        templates = before if self.retreats else self.to_csi
        later = perform(world, act, csi_templates=templates).harmed(*harm)
        left = _left_after_act(act, memory.known)
        return later, replace(memory, known=left, has_waited=False)

    def can_retreat(self, world: World) -> bool:
        seen = seen_in(world, {}, self.plan, to_csi=self.to_csi)
        return can_retreat(self.plan, seen, self.direction)


def prepared(world: World) -> World:
    """Every run sets the volumes to Retain before anything else."""
    for s in world.claims:
        old, new = replace(s.old, retain=True), replace(s.new, retain=True)
        world = world.with_claim(replace(s, old=old, new=new))
    return world


def visit(run: Run, world: World, memory: Memory = NOTHING) -> Iterator[tuple[World, Memory, Step]]:
    """Every decision from this world on; the last one ends the run or waits for nobody."""
    idle: set[Step] = set()
    for _ in range(ENOUGH_STEPS):
        step = run.step(world, memory)
        yield world, memory, step
        was_there = memory.is_there
        later, memory = run.take(world, memory, step)
        match step:
            case Finished() if run.retreats or was_there:
                return
            case AwaitIt():
                later = others_act(world)
                if later == world and step in idle:
                    return
            case Refuse() | Retreat():
                return
        idle = idle | {step} if later == world else set()
        world = later
    raise AssertionError(f"the run does not end: {step} in {world}")


Ending = tuple[World, Step]
Endings = dict[tuple[World, Memory], Ending]


def ending(run: Run, start: World, known: Endings) -> Ending:
    """The last world and decision; what was followed once is `known` the next time."""
    path: list[tuple[World, Memory]] = []
    for world, memory, step in visit(run, start):
        assert not world.harm, f"{set(world.harm)} in {world}"
        path.append((world, memory))
        end = known.get(path[-1], (world, step))
        if path[-1] in known:
            break
    known.update(dict.fromkeys(path, end))
    return end


# The engine's own memory forgets, asked once for each case --------------------------


def _left_after_act(act: Act, known: frozenset[tuple[LookAt, Hashable]]) -> _Pairs:
    return frozenset(pair for pair in known if _outlives_act(pair[0], act))


def _left_after_wait(step: AwaitIt, known: frozenset[tuple[LookAt, Hashable]]) -> _Pairs:
    return frozenset(pair for pair in known if _outlives_wait(pair[0], step.wait, step.claim))


_Pairs = frozenset[tuple[LookAt, Hashable]]


@cache
def _outlives_act(at: LookAt, act: Act) -> bool:
    facts = _facts_of(at)
    facts.forget_after(act.action, act.claim)
    return facts != Facts()


@cache
def _outlives_wait(at: LookAt, wait: Wait, claim: str) -> bool:
    facts = _facts_of(at)
    facts.forget_for(wait, claim)
    return facts != Facts()


def _facts_of(at: LookAt) -> Facts:
    match at.look:
        case Look.ORPHANS:
            return Facts(left_owned=())
        case Look.ATTACHMENTS:
            return Facts(attached_by=())
        case Look.DISK:
            return Facts(disks={at.claim: None})
        case Look.REGISTRATION:
            return Facts(registered={at.claim: True})
