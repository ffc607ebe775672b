"""How often the replica is looked at before a step is taken."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast
from unittest.mock import MagicMock

import pytest

from csi_migration.engine.observe import Observer
from csi_migration.engine.swap import Swap
from csi_migration.model.plan import ReplicaPlan, Window
from csi_migration.model.seen import PodSeen, Presence, ReplicaSeen, SetSeen
from csi_migration.model.step import Act, Action, AwaitIt, Look, LookAt, Refuse, Step, Wait

DELETION = Act(Action.DELETE_VOLUME, "data-web-0")
CSI_DELETION = Act(Action.DELETE_CSI_VOLUME, "data-web-0")
CREATION = Act(Action.CREATE_CLAIM, "data-web-0")
WAIT = AwaitIt(Wait.BOUND, "data-web-0", "not Bound")
LOOK = LookAt(Look.ATTACHMENTS)
REFUSAL = Refuse("a foreign claim")


class Pictures:
    """Of each, what it leads to is all that is known; a look in between gives the next."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.left = list(steps)
        self.facts = SimpleNamespace()

    def observe(self) -> Step:
        return self.left.pop(0)

    def look(self, at: LookAt) -> None:
        pass

    def with_facts(self, _seen: Step) -> Step:
        return self.left.pop(0)


def swap_that_sees(pictures: object) -> Swap:
    replica = cast(ReplicaPlan, SimpleNamespace(pod="web-0", pod_uid="uid", node="", claims=()))
    swap = Swap(MagicMock(window=Window.REPLICA), replica, dict, {"spec": {}}, {"spec": {}})
    swap.observer = cast(Observer, pictures)
    return swap


def taken(*steps: Step) -> tuple[Step, list[Step]]:
    """The step that is taken, and the pictures that were not asked for."""
    pictures = Pictures(steps)
    swap = swap_that_sees(pictures)
    _, step = swap._decided(_by_the_picture)
    return step, pictures.left


def _by_the_picture(_replica: ReplicaPlan, seen: ReplicaSeen, _window: Window) -> Step:
    return cast(Step, seen)


def test_most_steps_go_by_one_picture() -> None:
    assert taken(CREATION, WAIT) == (CREATION, [WAIT])


@pytest.mark.parametrize("step", [DELETION, CSI_DELETION, REFUSAL])
def test_what_is_hard_to_take_back_goes_by_two(step: Step) -> None:
    assert taken(step, step, WAIT) == (step, [WAIT])
    assert taken(step, CREATION, WAIT) == (CREATION, [WAIT])


def test_nothing_is_done_after_a_look_that_came_in_between() -> None:
    assert taken(LOOK, CREATION, WAIT, REFUSAL) == (WAIT, [REFUSAL])


def test_a_wait_goes_by_what_was_looked_up() -> None:
    assert taken(LOOK, WAIT, CREATION) == (WAIT, [CREATION])


@pytest.mark.parametrize("step", [DELETION, REFUSAL])
def test_also_after_a_look_what_is_hard_to_take_back_goes_by_two(step: Step) -> None:
    assert taken(LOOK, step, step, CREATION, WAIT) == (CREATION, [WAIT])


# How long it was away ------------------------------------------------------------------


def seen_with(*, ready: bool) -> ReplicaSeen:
    return ReplicaSeen(SetSeen(Presence.ABSENT), PodSeen(Presence.NEW, ready=ready), {})


def swap_whose_pod_is(*ready: bool) -> Swap:
    left = [seen_with(ready=each) for each in ready]
    return swap_that_sees(SimpleNamespace(observe=lambda: left.pop(0)))


def test_a_pod_is_back_when_it_is_first_seen_ready_whether_or_not_that_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 112.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    swap = swap_whose_pod_is(False, True, True)
    swap._note(Act(Action.DELETE_POD), {})
    found = []
    for _ in range(3):
        swap._observed(lambda *_: WAIT)
        found.append(swap.seconds_away)
    assert found == [None, 12.0, 12.0]


def test_of_a_pod_that_another_run_stopped_nobody_knows_how_long_it_was_away() -> None:
    swap = swap_whose_pod_is(True)
    swap._observed(lambda *_: WAIT)
    assert swap.seconds_away is None
