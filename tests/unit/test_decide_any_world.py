"""Whatever somebody does to a replica and whenever: it gets there, or says why not."""

from __future__ import annotations

import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from csi_migration.model.plan import Direction, Window
from csi_migration.model.seen import Presence
from csi_migration.model.step import AwaitIt, Finished, Refuse, Retreat, Step
from tests.torture.ledger import commit
from tests.unit.replica_disturbances import NAMES, OUTDATES, disturb
from tests.unit.replica_ends import ENDS, End, ends_in, unexplained
from tests.unit.replica_others import others, others_act
from tests.unit.replica_run import NOTHING, Ending, Endings, Run, ending, prepared, visit
from tests.unit.replica_world import ABSENT, NEW, OLD, World, csi_world, in_tree_world, replica_plan

Start = Callable[..., World]

PLANS = [replica_plan("data"), replica_plan("data", "log")]
FRESH = [
    Run(plan, direction, window) for plan in PLANS for direction in Direction for window in Window
]
# Of the processor: on a busy machine as many as on an idle one.
SECONDS = 15.0
A_BATCH = settings(
    max_examples=500,
    stateful_step_count=10,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
)

_runs = st.sampled_from(FRESH)
_starts = st.sampled_from([in_tree_world, csi_world])


class DisturbedReplica(RuleBasedStateMachine):
    """One replica, one run after the other, and somebody who meddles."""

    run = FRESH[0]
    world = in_tree_world(PLANS[0])
    memory = NOTHING

    @initialize(run=_runs, start=_starts, steps=st.integers(0, 60))
    def a_run_begins(self, run: Run, start: Start, steps: int) -> None:
        self.run = run
        self.world, self.memory = prepared(start(run.plan)), NOTHING
        self._take(steps)

    @rule(steps=st.integers(1, 8))
    def it_goes_on(self, steps: int) -> None:
        self._take(steps)

    @rule(direction=st.sampled_from(list(Direction)), steps=st.integers(0, 40))
    def it_is_killed_and_another_one_begins(self, direction: Direction, steps: int) -> None:
        self.run = replace(self.run, direction=direction, retreats=False)
        self.world, self.memory = prepared(self.world), NOTHING
        self._take(steps)

    @rule(which=st.integers(0, 9))
    def somebody_else_acts(self, which: int) -> None:
        possible = list(others(self.world)) or [self.world]
        self.world = possible[which % len(possible)]

    @rule(name=st.sampled_from(NAMES), claim=st.integers(0, 1))
    def somebody_meddles(self, name: str, claim: int) -> None:
        claims = self.world.claims
        self.world = disturb(self.world, name, claims[claim % len(claims)])
        self.memory = self.memory.without(OUTDATES.get(name))

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            step = self.run.step(self.world, self.memory)
            later, self.memory = self.run.take(self.world, self.memory, step)
            if isinstance(step, Refuse | Retreat):
                self._undo_if_it_can()
            self.world = others_act(later) if isinstance(step, AwaitIt) else later

    def _undo_if_it_can(self) -> None:
        if not self.run.retreats and self.run.can_retreat(self.world):
            self.run = replace(self.run, retreats=True)

    @invariant()
    def nothing_is_harmed(self) -> None:
        assert not self.world.harm

    @invariant()
    def each_direction_gets_there_or_says_why_not(self) -> None:
        for direction in Direction:
            run = replace(self.run, direction=direction, retreats=False)
            judge(run, self.world)  # it goes on as it is
            judge(run, prepared(self.world))  # it is taken up by a new run


def test_whatever_somebody_does_a_replica_gets_there_or_says_why_not(
    record_property: Callable[[str, object], None],
) -> None:
    """Thousands of histories, others with each commit, and as many as there is time for."""
    chosen = os.environ.get("SEED") or commit()
    record_property("any world", f"SEED={chosen}")
    deadline = time.process_time() + SECONDS
    for batch in count(1):
        number = zlib.crc32(f"{chosen} {batch}".encode())
        run_state_machine_as_test(seed(number)(DisturbedReplica), settings=A_BATCH)
        if time.process_time() > deadline:
            break
    record_property("any world", f"{batch * A_BATCH.max_examples} histories")


# How a run ends -------------------------------------------------------------------

_KNOWN: dict[tuple[int, Direction, Window, bool], Endings] = defaultdict(dict)


def judge(run: Run, start: World) -> None:
    """Follow the run to its end, and the undoing if it ends early."""
    world, step = known_ending(run, start)
    if isinstance(step, Finished):
        assert_is_there(run, world)
        return
    assert_explained(world, step)
    if run.can_retreat(world):
        world, step = known_ending(replace(run, retreats=True), world)
        assert_is_given_back(run, world, step)


def known_ending(run: Run, start: World) -> Ending:
    key = (len(run.plan.claims), run.direction, run.window, run.retreats)
    return ending(run, start, _KNOWN[key])


def assert_is_there(run: Run, world: World) -> None:
    side, other = (NEW, OLD) if run.to_csi else (OLD, NEW)
    for state in world.claims:
        assert (state.presence, state.stands, state.is_bound) == (side, True, True)
        assert state.volume_of(other).presence is ABSENT
    assert (world.statefulset.acts, world.statefulset.csi_templates) == (True, run.to_csi)
    assert world.pod.presence not in (ABSENT, Presence.FOREIGN)


def assert_is_given_back(run: Run, world: World, step: Step) -> None:
    if isinstance(step, Finished):
        assert world.pod.presence is not ABSENT
        assert world.statefulset.acts or run.window is Window.RUN
    else:
        assert_explained(world, step)


def assert_explained(world: World, step: Step) -> None:
    problems = list(unexplained(world, step))
    assert not problems, f"{step}: {problems} in {world}"


# Each disturbance by itself -----------------------------------------------------------


def worlds_on_the_way(run: Run) -> Iterator[World]:
    """Every world of an undisturbed run, from either start."""
    for start in (in_tree_world, csi_world):
        yield from (world for world, _, _ in visit(run, prepared(start(run.plan))))


def ends_after(run: Run, world: World) -> Iterator[End]:
    """How either direction ends from here: a run that goes on, and a new one."""
    for direction in Direction:
        for start in (world, prepared(world)):
            _, step = known_ending(replace(run, direction=direction), start)
            yield from ends_in(step)


@pytest.mark.parametrize("name", NAMES)
def test_each_disturbance_ends_as_it_must_whenever_it_comes(name: str) -> None:
    """What heals by itself does not stop a run, and what does is called by its name."""
    found: set[End] = set()
    for run in FRESH:
        for world in worlds_on_the_way(run):
            after = (disturb(world, name, claim) for claim in world.claims)
            found.update(end for w in after if w != world for end in ends_after(run, w))
    assert found == ENDS[name]
