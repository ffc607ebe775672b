"""A swap as it should go, and the single states in which it must hold still."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.model.plan import Direction, ReplicaPlan, Window
from csi_migration.model.seen import Presence
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
)
from tests.unit.replica_disturbances import disturb
from tests.unit.replica_others import others_act
from tests.unit.replica_run import NOTHING, Memory, Run, visit
from tests.unit.replica_world import (
    ABSENT,
    FOREIGN,
    GONE,
    NEW,
    OLD,
    ClaimState,
    PodState,
    SetState,
    VolumeState,
    World,
    csi_world,
    in_tree_world,
    replica_plan,
)

PLANS = {"one claim": replica_plan("data"), "two claims": replica_plan("data", "log")}
ONE = PLANS["one claim"]
_A_FEW_STEPS = 6

each_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
each_window = pytest.mark.parametrize("window", list(Window))


def forwards(window: Window = Window.REPLICA, plan: ReplicaPlan = ONE) -> Run:
    return Run(plan, Direction.TO_CSI, window)


def back(window: Window = Window.REPLICA, plan: ReplicaPlan = ONE) -> Run:
    return Run(plan, Direction.TO_IN_TREE, window)


def actions(run: Run, world: World) -> Iterator[tuple[Action, str]]:
    steps = [step for _, _, step in visit(run, world)]
    acts = (step for step in steps if isinstance(step, Act))
    # A pod is made at the second asking, after one more look at who holds the disks.
    return (key for key, _ in itertools.groupby((act.action, act.claim) for act in acts))


def test_a_swap_acts_in_the_order_of_the_design() -> None:
    assert list(actions(forwards(), in_tree_world(ONE))) == [
        (Action.OPEN_WINDOW, ""),
        (Action.DELETE_POD, ""),
        (Action.REGISTER_DISK, "data"),
        (Action.PROTECT_DISK, "data"),
        (Action.DELETE_CLAIM, "data"),
        (Action.DELETE_VOLUME, "data"),
        (Action.CREATE_VOLUME, "data"),
        (Action.CREATE_CLAIM, "data"),
        (Action.CREATE_POD, ""),
        (Action.CLOSE_WINDOW, ""),
    ]


def test_the_way_back_is_its_mirror() -> None:
    assert list(actions(back(), csi_world(ONE))) == [
        (Action.OPEN_WINDOW, ""),
        (Action.DELETE_POD, ""),
        (Action.DELETE_CSI_CLAIM, "data"),
        (Action.DELETE_CSI_VOLUME, "data"),
        (Action.RESTORE_VOLUME, "data"),
        (Action.RESTORE_CLAIM, "data"),
        (Action.CREATE_POD, ""),
        (Action.CLOSE_WINDOW, ""),
    ]


@each_plan
@each_window
def test_a_finished_replica_has_nothing_left_to_do(plan: ReplicaPlan, window: Window) -> None:
    for run, start in ((forwards(window, plan), csi_world), (back(window, plan), in_tree_world)):
        assert {type(step) for _, _, step in visit(run, start(plan))} == {Finished}


@given(
    plan=st.sampled_from(list(PLANS.values())),
    window=st.sampled_from(list(Window)),
    pauses=st.lists(st.integers(0, 3), max_size=10),
)
def test_others_may_act_at_any_time_between_two_decisions(
    plan: ReplicaPlan, window: Window, pauses: list[int]
) -> None:
    run, world = forwards(window, plan), in_tree_world(plan)
    for pause in pauses:
        for _ in range(pause):
            world = others_act(world)
        *_, (world, _, _) = itertools.islice(visit(run, world), _A_FEW_STEPS)

    *_, (end, _, last) = visit(run, world)
    assert isinstance(last, Finished)
    assert end.harm == frozenset()


# Single states ----------------------------------------------------------------------


def _step(world: World, run: Run | None = None, memory: Memory = NOTHING) -> Step:
    return (run or forwards()).step(world, memory)


def _world(*claims: ClaimState) -> World:
    return World(claims=claims or (ClaimState(),))


MISSING = ClaimState(presence=ABSENT, uid=0)
AWAY = SetState(ABSENT, uid=0)
ORPHAN = PodState(owner=0)


@each_window
def test_a_pod_that_will_not_go_keeps_no_other_one_from_its_controller(window: Window) -> None:
    going = replace(ORPHAN, terminating=True)
    world = replace(_world(ClaimState()), statefulset=AWAY, pod=going, others_gone=True)

    assert isinstance(_step(world, forwards(window)), Retreat)
    retreating = replace(forwards(window), retreats=True)
    assert _step(world, retreating) == Act(Action.CLOSE_WINDOW)


def test_all_that_nobody_explains_is_said_at_once() -> None:
    foreign = SetState(FOREIGN, uid=9)
    world = replace(_world(ClaimState(presence=FOREIGN)), statefulset=foreign)

    step = _step(world)
    assert isinstance(step, Refuse)
    assert "StatefulSet again (uid set-9)" in step.reason
    assert "claim data (uid" in step.reason


def test_what_was_changed_about_the_set_is_said() -> None:
    changed = replace(_world(ClaimState()), statefulset=SetState(spec_changed=True))

    step = _step(changed)
    assert isinstance(step, Refuse)
    assert "spec.replicas" in step.reason


def test_there_is_no_retreat_once_a_claim_was_deleted() -> None:
    step = _step(_world(MISSING), replace(forwards(), retreats=True))

    assert isinstance(step, Refuse)


@pytest.mark.parametrize("run", [forwards(), back()], ids=["forwards", "back"])
@pytest.mark.parametrize(
    "claim",
    [
        ClaimState(old=VolumeState(OLD, ref=1, retain=False)),
        replace(csi_world(ONE).claims[0], new=VolumeState(NEW, ref=1, retain=False)),
    ],
    ids=["in-tree", "CSI"],
)
def test_a_volume_that_lost_retain_stops_everything(run: Run, claim: ClaimState) -> None:
    step = _step(_world(claim), run)

    assert isinstance(step, Refuse)
    assert "Retain" in step.reason


@pytest.mark.parametrize("run", [forwards(), back()], ids=["forwards", "back"])
@pytest.mark.parametrize(
    "world",
    [
        replace(_world(), statefulset=SetState(FOREIGN)),
        replace(_world(), pod=PodState(FOREIGN)),
        _world(ClaimState(presence=FOREIGN)),
        _world(ClaimState(old=VolumeState(FOREIGN))),
        _world(ClaimState(new=VolumeState(FOREIGN))),
    ],
    ids=["set", "pod", "claim", "old volume", "new volume"],
)
def test_an_object_that_nobody_explains_stops_everything(world: World, run: Run) -> None:
    assert isinstance(_step(world, run), Refuse)


@pytest.mark.parametrize("run", [forwards(), back()], ids=["forwards", "back"])
def test_a_set_beside_a_missing_claim_stops_everything(run: Run) -> None:
    step = _step(replace(_world(MISSING), pod=GONE), run)

    assert isinstance(step, Refuse)
    assert "empty volume" in step.reason


def test_the_window_opens_only_over_a_ready_replica() -> None:
    assert isinstance(_step(replace(_world(), pod=PodState(ready=False))), AwaitIt)
    assert _step(_world()) == Act(Action.OPEN_WINDOW)


def test_a_replica_that_is_not_ready_on_csi_may_go_back() -> None:
    world = replace(csi_world(ONE), pod=PodState(ready=False))

    assert _step(world, back(), _knowing(world)) == Act(Action.OPEN_WINDOW)


def _knowing(world: World) -> Memory:
    """What a run knows that has looked at the disk."""
    return back().take(world, NOTHING, LookAt(Look.DISK, world.claims[0].name))[1]


@pytest.mark.parametrize("name", ["disk moved", "disk unknown"])
def test_a_disk_that_can_not_go_back_is_refused_while_its_pod_still_runs(name: str) -> None:
    """A snapshot makes a delta of it: the in-tree volume would show what was before."""
    whole = csi_world(ONE)
    world = disturb(whole, name, whole.claims[0])
    assert _step(world, back()) == LookAt(Look.DISK, "data")
    assert isinstance(_step(world, back(), _knowing(world)), Refuse)


@pytest.mark.parametrize(
    ("presence", "run", "surely"),
    [(OLD, forwards(), False), (ABSENT, forwards(), True), (ABSENT, back(), True)],
    ids=["before anything is deleted", "forwards", "back"],
)
def test_what_could_not_be_read_is_no_missing_disk_once_a_claim_is_gone(
    presence: Presence, run: Run, *, surely: bool
) -> None:
    claim = replace(in_tree_world(ONE).claims[0], presence=presence, holder=ABSENT)
    world = replace(_world(claim), statefulset=AWAY, pod=GONE)
    _, known = run.take(world, NOTHING, LookAt(Look.ATTACHMENTS))
    step = _step(world, run, known)

    assert step == LookAt(Look.DISK, "data")
    assert isinstance(step, LookAt)
    assert step.surely is surely


@pytest.mark.parametrize("start", [in_tree_world, csi_world])
def test_a_disk_that_lies_elsewhere_does_not_keep_the_pod_from_its_old_volumes(
    start: Callable[[ReplicaPlan], World],
) -> None:
    whole = start(ONE)
    world = replace(disturb(whole, "disk moved", whole.claims[0]), statefulset=AWAY, pod=GONE)
    undoing = replace(forwards() if start is in_tree_world else back(), retreats=True)
    assert _step(world, undoing, _knowing(world)) == Act(Action.CREATE_POD)


def test_the_set_stays_away_while_somebody_is_deleting_a_claim_on_csi() -> None:
    """The pod holds the claim; with both gone, the controller would make an empty one."""
    going = replace(csi_world(ONE).claims[0], terminating=True)
    world = replace(_world(going), statefulset=AWAY, pod=ORPHAN)

    assert isinstance(_step(world), Refuse)


CSI_CLAIM = csi_world(ONE).claims[0]
GOING = [
    replace(CSI_CLAIM, terminating=True),
    replace(CSI_CLAIM, new=replace(CSI_CLAIM.new, terminating=True)),
]


@pytest.mark.parametrize("going", GOING, ids=["claim", "volume"])
def test_the_way_back_is_the_cure_for_what_somebody_deletes_under_a_running_pod(
    going: ClaimState,
) -> None:
    world = _world(going)

    refused = _step(world)
    assert isinstance(refused, Refuse)
    assert "somebody is deleting" in refused.reason
    assert _step(world, back()) == Act(Action.OPEN_WINDOW)
    *_, (later, _, last) = visit(back(), world)
    assert isinstance(last, Finished)
    assert (later.claims[0].presence, later.harm) == (OLD, frozenset())


@pytest.mark.parametrize("run", [forwards(), back()], ids=["forwards", "back"])
@pytest.mark.parametrize(
    "claim", [MISSING, ClaimState(terminating=True)], ids=["missing", "going away"]
)
def test_the_set_is_not_made_again_with_other_templates_over_such_a_claim(
    claim: ClaimState, run: Run
) -> None:
    world = replace(_world(claim), statefulset=AWAY, pod=ORPHAN)
    memory = Memory(is_there=True)
    looked = run.take(world, memory, _step(world, run, memory))

    step = _step(*looked[:1], run, looked[1])
    assert isinstance(step, Refuse)
    assert "empty volume" in step.reason or "deleting claim" in step.reason


def test_going_back_the_disk_of_a_claim_without_its_volume_is_looked_up_before_cns() -> None:
    claim = ClaimState(old=VolumeState(), holder=ABSENT, is_disk=True, registered=False)
    world = replace(_world(claim), statefulset=AWAY, pod=GONE)

    acted = list(actions(back(), world))
    assert acted[0] == (Action.RESTORE_VOLUME, "data")


def test_going_back_it_does_not_wait_for_a_volume_that_its_claim_holds() -> None:
    going = ClaimState(old=VolumeState(OLD, ref=1, terminating=True), holder=ABSENT, is_disk=True)
    world = replace(_world(going), statefulset=AWAY, pod=GONE)

    *_, (_, _, last) = visit(back(), world)
    assert isinstance(last, Refuse)
    assert "somebody is deleting the in-tree volume pvc-data" in last.reason


def test_a_pod_that_vanished_elsewhere_needs_the_set_before_another_pod_is_stopped() -> None:
    for run, world in ((forwards(), in_tree_world(ONE)), (back(), csi_world(ONE))):
        away = replace(world, statefulset=AWAY, pod=ORPHAN, others_gone=True)
        assert "vanished" in getattr(_step(away, run), "reason", "")


def test_in_a_whole_runs_window_the_set_comes_back_for_a_pod_that_vanished_elsewhere() -> None:
    claims = csi_world(ONE).claims
    world = replace(_world(*claims), statefulset=AWAY, pod=ORPHAN)

    assert isinstance(_step(world, forwards(Window.RUN)), Finished)
    step = _step(replace(world, others_gone=True), forwards(Window.RUN))
    assert step == Act(Action.CLOSE_WINDOW)
