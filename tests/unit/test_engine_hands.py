"""Several replicas in turns: one that fails does not hold up the others."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import cast

import pytest

from csi_migration.engine.hands import Hands
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.run import Run
from csi_migration.engine.swap import Retreated, Swap, Turn
from csi_migration.model.errors import NeedsPerson, Stopped, ToolError
from csi_migration.model.events import Event

ACTS, WAITS, NEEDS, THROUGH, UNDONE = Turn
Played = Turn | ToolError


class PlayedSwap:
    """Takes the turns that it is given; it can turn back if it has turns for that."""

    def __init__(self, log: list[str], pod: str, turns: Iterable[Played]) -> None:
        self.pod = pod
        self.error: ToolError | None = None
        self.may_try_again = False
        self._log = log
        self._turns = list(turns)

    @property
    def is_retreating(self) -> bool:
        return self.error is not None

    def turn(self) -> Turn:
        turn = self._turns.pop(0)
        if isinstance(turn, ToolError):
            self._log.append(f"{self.pod} fails")
            raise turn
        self._log.append(f"{self.pod} {turn.value}")
        return turn

    def turn_back(self, error: ToolError) -> bool:
        if self.is_retreating or not self._turns:
            return False
        self.error = error
        return True

    def retreated(self) -> Retreated:
        back = Retreated(f"{self.pod}: {self.error}")
        back.may_try_again = self.may_try_again
        return back


class Bench:
    """A run with its log: turns, rests, the set's return."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.told: list[Event] = []
        self.through: list[str] = []
        self.run = cast(Run, SimpleNamespace(in_hand=set(), tell=self.told.append))

    def swap(self, pod: str, *turns: Played, may_try_again: bool = False) -> Swap:
        made = PlayedSwap(self.log, pod, turns)
        made.may_try_again = may_try_again
        return cast(Swap, made)

    def hands(self, *swaps: Swap) -> Hands:
        return Hands(
            self.run,
            swaps,
            came_through=lambda swap: self.through.append(swap.pod),
            bring_the_set_back=lambda: self.log.append("the set"),
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr("time.sleep", lambda _: made.log.append("rest"))
    return made


def test_replicas_take_turns_and_rest_only_when_all_of_them_wait(bench: Bench) -> None:
    both = bench.hands(
        bench.swap("web-1", ACTS, WAITS, WAITS, THROUGH),
        bench.swap("web-0", WAITS, ACTS, WAITS, WAITS, THROUGH),
    )
    assert bench.run.in_hand == {"web-1", "web-0"}

    both.to_the_other_side()

    assert bench.log == [
        *("web-1 acts", "web-0 waits"),
        *("web-1 waits", "web-0 acts"),
        *("web-1 waits", "web-0 waits", "rest"),
        *("web-1 through", "web-0 waits"),
        "web-0 through",
    ]
    assert bench.through == ["web-1", "web-0"]
    assert (both.left, bench.run.in_hand) == ([], set())


def test_the_set_comes_back_for_another_pod_once_all_in_hand_are_whole(bench: Bench) -> None:
    both = bench.hands(
        bench.swap("web-1", NEEDS, NEEDS, NEEDS, THROUGH),
        bench.swap("web-0", WAITS, ACTS, NEEDS, THROUGH),
    )
    both.to_the_other_side()

    assert bench.log == [
        *("web-1 needs the set", "web-0 waits", "rest"),
        *("web-1 needs the set", "web-0 acts"),
        *("web-1 needs the set", "web-0 needs the set", "the set"),
        *("web-1 through", "web-0 through"),
    ]


def test_those_that_turn_back_need_the_set_like_those_that_go_on(bench: Bench) -> None:
    """Nobody waits for a replica that waits for it."""
    both = bench.hands(
        bench.swap("web-1", Stopped("web-3 vanished"), NEEDS, UNDONE, may_try_again=True),
        bench.swap("web-0", Stopped("web-3 vanished"), NEEDS, UNDONE, may_try_again=True),
    )
    with pytest.raises(Retreated) as raised:
        both.to_the_other_side()

    assert raised.value.may_try_again
    assert bench.log[2:5] == ["web-1 needs the set", "web-0 needs the set", "the set"]
    assert (both.left, bench.run.in_hand, bench.through) == ([], set(), [])


def test_one_that_fails_is_undone_beside_the_others(bench: Bench) -> None:
    both = bench.hands(
        bench.swap("web-1", Stopped("waited too long"), ACTS, UNDONE),
        bench.swap("web-0", ACTS, ACTS, ACTS, THROUGH),
    )
    with pytest.raises(Retreated, match="web-1: waited too long"):
        both.to_the_other_side()

    assert bench.log[2:6] == ["web-1 acts", "web-0 acts", "web-1 undone", "web-0 acts"]
    assert bench.through == ["web-0"]
    assert (both.left, bench.run.in_hand) == ([], set())
    assert len(bench.told) == 1


def test_one_without_a_way_back_stays_in_hand_and_is_what_people_hear(bench: Bench) -> None:
    stuck = NeedsPerson("web-0: somebody else made it")
    three = bench.hands(
        bench.swap("web-2", Stopped("others"), UNDONE, may_try_again=True),
        bench.swap("web-1", Stopped("timeout"), UNDONE),
        bench.swap("web-0", stuck),
    )
    with pytest.raises(NeedsPerson) as raised:
        three.to_the_other_side()

    assert raised.value is stuck
    assert [swap.pod for swap in three.left] == ["web-0"]
    assert bench.run.in_hand == {"web-0"}


def test_over_a_replica_that_is_stuck_the_set_does_not_come_back(bench: Bench) -> None:
    both = bench.hands(bench.swap("web-1", Stopped("stuck")), bench.swap("web-0", ACTS, NEEDS))
    with pytest.raises(Stopped, match="stuck"):
        both.to_the_other_side()
    assert "the set" not in bench.log


def test_a_way_back_that_fails_too_is_told_with_why_it_began(bench: Bench) -> None:
    both = bench.hands(
        bench.swap("web-1", Stopped("first"), Stopped("second")), bench.swap("web-0", THROUGH)
    )
    with pytest.raises(Stopped, match="first"):
        both.to_the_other_side()
    assert [swap.pod for swap in both.left] == ["web-1"]
    assert len(bench.told) == 2


def test_after_a_lost_lease_nobody_takes_another_turn(bench: Bench) -> None:
    both = bench.hands(
        bench.swap("web-1", LeaseLost("somebody else holds it")), bench.swap("web-0", THROUGH)
    )
    with pytest.raises(LeaseLost):
        both.to_the_other_side()
    assert bench.log == ["web-1 fails"]
    assert [swap.pod for swap in both.left] == ["web-1", "web-0"]
