"""Every swap, from every state that a crash can leave, ends well and harms nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.next_step import next_step, retreat_step
from csi_migration.model.plan import ReplicaPlan, Window
from csi_migration.model.seen import Presence, ReplicaSeen
from csi_migration.model.step import Act, Action, AwaitIt, Finished, LookAt, Refuse, Step
from tests.unit.replica_world import (
    ClaimState,
    World,
    others_act,
    perform,
    replica_plan,
    seen_in,
)

Decide = Callable[[ReplicaPlan, ReplicaSeen, Window], Step]
_ENOUGH_STEPS = 200
_A_FEW_STEPS = 6


def world_of(plan: ReplicaPlan, state: ClaimState | None = None) -> World:
    return World(claims={c.name: state or ClaimState() for c in plan.claims})


def visit(
    plan: ReplicaPlan, world: World, window: Window, decide: Decide = next_step
) -> Iterator[World]:
    """Every world from this one to the end of the swap; the last one is the end."""
    looked: frozenset[LookAt] = frozenset()
    for _ in range(_ENOUGH_STEPS):
        yield world
        step = decide(plan, seen_in(world, looked, plan), window)
        match step:
            case Finished():
                return
            case Refuse(reason):
                pytest.fail(f"refused: {reason} in {world}")
            case LookAt():
                looked |= {step}
            case AwaitIt():
                later = others_act(world)
                assert later != world, f"waits for nobody: {step} in {world}"
                world, looked = later, frozenset()
            case Act():
                world, looked = perform(world, step), frozenset()
    pytest.fail("the swap does not end")


def goal(plan: ReplicaPlan, world: World, window: Window) -> bool:
    swapped = all(
        s.claim is Presence.NEW and s.bound and s.old_volume is Presence.ABSENT and s.registered
        for s in world.claims.values()
    )
    set_back = world.statefulset is Presence.NEW or window is Window.RUN
    return swapped and set_back and world.ready and len(world.claims) == len(plan.claims)


PLANS = [replica_plan("data"), replica_plan("data", "log")]


@pytest.mark.parametrize("plan", PLANS, ids=["one claim", "two claims"])
@pytest.mark.parametrize("window", list(Window))
def test_a_swap_reaches_its_goal_and_breaks_no_rule(plan: ReplicaPlan, window: Window) -> None:
    *_, end = visit(plan, world_of(plan), window)

    assert goal(plan, end, window)
    assert end.violations == ()


@pytest.mark.parametrize("plan", PLANS, ids=["one claim", "two claims"])
@pytest.mark.parametrize("window", list(Window))
def test_a_swap_that_was_killed_anywhere_goes_on_to_the_same_end(
    plan: ReplicaPlan, window: Window
) -> None:
    worlds = list(visit(plan, world_of(plan), window))

    for start in worlds:
        *_, end = visit(plan, start, window)
        assert end == worlds[-1]


@given(
    plan=st.sampled_from(PLANS),
    window=st.sampled_from(list(Window)),
    pauses=st.lists(st.integers(0, 3), max_size=10),
)
def test_others_may_act_at_any_time_between_two_decisions(
    plan: ReplicaPlan, window: Window, pauses: list[int]
) -> None:
    world = world_of(plan)
    for pause in pauses:
        for _ in range(pause):
            world = others_act(world)
        *_, world = itertools.islice(visit(plan, world, window), _A_FEW_STEPS)

    *_, end = visit(plan, world, window)
    assert goal(plan, end, window)
    assert end.violations == ()


def test_a_finished_replica_has_nothing_left_to_do() -> None:
    plan = PLANS[1]
    *_, end = visit(plan, world_of(plan), Window.REPLICA)

    assert list(visit(plan, end, Window.REPLICA)) == [end]


def test_an_untouched_replica_is_given_its_pod_and_its_set_back() -> None:
    plan = PLANS[1]
    before_the_point_of_no_return = [
        world
        for world in visit(plan, world_of(plan), Window.REPLICA)
        if all(s.claim is Presence.OLD and not s.claim_terminating for s in world.claims.values())
    ]

    for world in before_the_point_of_no_return:
        # A pod that is not deleted yet needs no way back.
        if world.statefulset is Presence.ABSENT and world.pod_owner:
            continue
        *_, end = visit(plan, world, Window.REPLICA, retreat_step)
        assert end.ready
        assert end.pod is not Presence.ABSENT
        assert end.statefulset is not Presence.ABSENT
        assert end.violations == ()
        assert all(s.claim is Presence.OLD for s in end.claims.values())


def test_there_is_no_way_back_once_a_claim_was_deleted() -> None:
    plan = PLANS[0]
    world = world_of(plan, ClaimState(claim=Presence.ABSENT, bound=False))
    step = retreat_step(plan, seen_in(world, frozenset(), plan), Window.REPLICA)

    assert isinstance(step, Refuse)


def _step(world: World, plan: ReplicaPlan = PLANS[0]) -> Step:
    return next_step(plan, seen_in(world, frozenset(), plan), Window.REPLICA)


def test_a_volume_that_lost_retain_stops_everything() -> None:
    world = world_of(PLANS[0], ClaimState(retain=False))

    step = _step(world)
    assert isinstance(step, Refuse)
    assert "Retain" in step.reason


@pytest.mark.parametrize(
    "world",
    [
        replace(world_of(PLANS[0]), statefulset=Presence.FOREIGN),
        replace(world_of(PLANS[0]), pod=Presence.FOREIGN),
        world_of(PLANS[0], ClaimState(claim=Presence.FOREIGN)),
        world_of(PLANS[0], ClaimState(old_volume=Presence.FOREIGN)),
        world_of(PLANS[0], ClaimState(new_volume=Presence.FOREIGN)),
    ],
    ids=["set", "pod", "claim", "old volume", "new volume"],
)
def test_an_object_that_nobody_explains_stops_everything(world: World) -> None:
    assert isinstance(_step(world), Refuse)


def test_a_set_beside_a_missing_claim_stops_everything() -> None:
    world = world_of(PLANS[0], ClaimState(claim=Presence.ABSENT, bound=False))

    step = _step(replace(world, pod=Presence.ABSENT))
    assert isinstance(step, Refuse)
    assert "empty volume" in step.reason


def test_the_window_opens_only_over_a_ready_replica() -> None:
    assert isinstance(_step(replace(world_of(PLANS[0]), ready=False)), AwaitIt)
    assert _step(world_of(PLANS[0])) == Act(Action.OPEN_WINDOW)
