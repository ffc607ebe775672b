"""Forwards and back, killed anywhere, any number of times: a replica gets there unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

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
)
from tests.unit.replica_others import others, others_act
from tests.unit.replica_run import NOTHING, Endings, Memory, Run, ending, prepared, visit
from tests.unit.replica_world import (
    ABSENT,
    NEW,
    OLD,
    World,
    csi_world,
    in_tree_world,
    replica_plan,
)

PLANS = {"one claim": replica_plan("data"), "two claims": replica_plan("data", "log")}
STARTS = {Direction.TO_CSI: in_tree_world, Direction.TO_IN_TREE: csi_world}

each_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
each_window = pytest.mark.parametrize("window", list(Window))
each_direction = pytest.mark.parametrize("direction", list(Direction))


def start_of(run: Run) -> World:
    return prepared(STARTS[run.direction](run.plan))


def both_ways(run: Run) -> list[Run]:
    return [replace(run, direction=direction) for direction in Direction]


def worlds_on_the_way(run: Run, world: World) -> Iterator[World]:
    """Every world in which a kill may leave the replica."""
    return (world for world, _, _ in visit(run, world))


def end_of(run: Run, world: World, memory: Memory = NOTHING) -> World:
    """Where the run ends, when everybody has done what was left to do."""
    *_, (world, _, last) = visit(run, world, memory)
    assert isinstance(last, Finished), f"{last} in {world}"
    return settled(world)


def settled(world: World) -> World:
    while (later := others_act(world)) != world:
        world = later
    return world


def assert_reached(run: Run, end: World) -> None:
    """The one good end; what it leaves open is whose pod and set it is, by uid."""
    side, other = (NEW, OLD) if run.to_csi else (OLD, NEW)
    assert end.harm == frozenset()
    for state in end.claims:
        by_side = {OLD: state.old, NEW: state.new}
        assert (state.presence, state.holder, state.is_bound) == (side, side, True)
        assert (by_side[side].presence, by_side[other].presence) == (side, ABSENT)
        assert (state.registered, state.events) == (True, ())
    assert end.statefulset.acts
    assert end.statefulset.csi_templates is run.to_csi
    assert (end.pod.owner, end.pod.ready) == (end.statefulset.uid, True)


@each_plan
@each_window
@each_direction
def test_each_direction_reaches_its_end_and_breaks_no_rule(
    plan: ReplicaPlan, window: Window, direction: Direction
) -> None:
    run = Run(plan, direction, window)

    assert_reached(run, end_of(run, start_of(run)))


@each_plan
@each_window
@each_direction
def test_killed_anywhere_it_goes_on_or_back_to_the_same_end(
    plan: ReplicaPlan, window: Window, direction: Direction
) -> None:
    run = Run(plan, direction, window)

    for world in worlds_on_the_way(run, start_of(run)):
        for again in both_ways(run):
            assert_reached(again, end_of(again, prepared(world)))


@each_plan
@each_window
@each_direction
def test_killed_on_the_way_there_and_on_the_way_back_it_still_reaches_either_end(
    plan: ReplicaPlan, window: Window, direction: Direction
) -> None:
    run = Run(plan, direction, window)
    here, there = both_ways(run) if run.to_csi else reversed(both_ways(run))
    once = dict.fromkeys(worlds_on_the_way(here, start_of(run)))
    twice = dict.fromkeys(w for world in once for w in worlds_on_the_way(there, world))

    for world in twice:
        for again in (here, there):
            assert_reached(again, end_of(again, world))


@each_plan
@each_window
@each_direction
def test_a_volume_is_made_by_a_look_at_its_disk_that_nothing_took_time_after(
    plan: ReplicaPlan, window: Window, direction: Direction
) -> None:
    """A snapshot may make a delta of it, or a Storage vMotion move it, during any wait."""
    run = Run(plan, direction, window)
    made = [
        claim
        for world in worlds_on_the_way(run, start_of(run))
        for claim in volumes_made_by_a_fresh_look(run, prepared(world))
    ]
    assert set(made) == {claim.name for claim in plan.claims}


def volumes_made_by_a_fresh_look(run: Run, start: World) -> Iterator[str]:
    fresh: set[str] = set()
    for _, _, step in visit(run, start):
        match step:
            case LookAt(Look.DISK, claim):
                fresh.add(claim)
            case Act(Action.CREATE_VOLUME | Action.RESTORE_VOLUME, claim):
                assert claim in fresh
                yield claim
            case AwaitIt(_, _, claim):
                fresh = fresh - {claim} if claim else set()
            case Act(_, claim):
                fresh = fresh - {claim} if claim else set()


# Every world there is ------------------------------------------------------------------

Node = tuple[Direction, World, Memory]


def nodes_after(run: Run, node: Node) -> Iterator[Node]:
    """Whatever may come next: a step, a kill, the other direction, or somebody else's act."""
    direction, world, memory = node
    run = replace(run, direction=direction)
    step = run.step(world, memory)
    assert not isinstance(step, Refuse | Retreat), f"{step} in {world}"
    later, remembered = run.take(world, memory, step)
    if isinstance(step, AwaitIt) and remembered == memory:
        assert others_act(world) != world, f"waits for nobody: {step} in {world}"
    yield direction, later, remembered
    yield from ((again, world, NOTHING) for again in Direction)
    yield from ((direction, later, memory) for later in others(world))


@cache
def worlds_in_reach(plan: str, window: Window) -> frozenset[World]:
    run = Run(PLANS[plan], Direction.TO_CSI, window)
    start = (run.direction, start_of(run), NOTHING)
    found: set[Node] = {start}
    new = [start]
    while new:
        for node in nodes_after(run, new.pop()):
            assert not node[1].harm, f"{set(node[1].harm)} in {node}"
            if node not in found:
                found.add(node)
                new.append(node)
    return frozenset(world for _, world, _ in found)


@pytest.mark.parametrize("plan", PLANS)
@each_window
def test_whoever_acts_in_whatever_order_both_ends_stay_in_reach(plan: str, window: Window) -> None:
    run = Run(PLANS[plan], Direction.TO_CSI, window)
    worlds = worlds_in_reach(plan, window)

    for again in both_ways(run):
        assert_all_reach_the_end(again, worlds)


def assert_all_reach_the_end(run: Run, worlds: frozenset[World]) -> None:
    known: Endings = {}
    for start in worlds:
        world, step = ending(run, start, known)
        assert isinstance(step, Finished), f"{step} in {world}"
    for world in {world for world, _ in known.values()}:
        assert_reached(run, settled(world))


@pytest.mark.parametrize("plan", PLANS)
@each_window
def test_wherever_a_swap_may_be_undone_the_replica_gets_its_pod_and_its_set_back(
    plan: str, window: Window
) -> None:
    run = Run(PLANS[plan], Direction.TO_CSI, window)
    worlds = worlds_in_reach(plan, window)

    for again in both_ways(run):
        for world in filter(again.can_retreat, worlds):
            assert_given_back(world, given_back(replace(again, retreats=True), world))


def given_back(run: Run, world: World) -> World:
    end = end_of(run, world)
    if end.statefulset.presence is ABSENT:  # a whole run's window is closed by the engine
        end, _ = run.take(end, NOTHING, Act(Action.CLOSE_WINDOW))
    return settled(end)


def assert_given_back(before: World, after: World) -> None:
    assert after.harm == frozenset()
    assert [s.presence for s in after.claims] == [s.presence for s in before.claims]
    assert (after.statefulset.acts, after.pod.ready) == (True, True)
