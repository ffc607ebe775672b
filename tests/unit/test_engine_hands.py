"""Several replicas in turns: one that fails does not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import cast

import pytest

from csi_migration.engine.hands import Hands
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.run import Run
from csi_migration.engine.swap import Retreated, Swap
from csi_migration.model.errors import NeedsPerson, Stopped, ToolError
from csi_migration.model.events import Event

WAITS, ACTS, THROUGH = "waits", "acts", "through"
Turn = str | ToolError


class PlayedSwap:
    """Takes the turns that it is given; an undoing ends as `back` says."""

    def __init__(
        self, log: list[str], pod: str, turns: Iterable[Turn], back: object = None
    ) -> None:
        self.pod = pod
        self.is_waiting = False
        self._log = log
        self._turns = list(turns)
        self._back = back

    def turn(self) -> bool:
        turn = self._turns.pop(0)
        if isinstance(turn, ToolError):
            self._log.append(f"{self.pod} fails")
            raise turn
        self._log.append(f"{self.pod} {turn}")
        self.is_waiting = turn == WAITS
        return turn == THROUGH

    def undo(self, _: ToolError) -> None:
        self._log.append(f"{self.pod} goes back")
        if isinstance(self._back, ToolError):
            raise self._back


class Played:
    """A run with its log, and what it sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.told: list[Event] = []
        self.run = cast(Run, SimpleNamespace(in_hand=set(), tell=self.told.append))
        monkeypatch.setattr("time.sleep", lambda _: self.log.append("rest"))

    def swap(self, pod: str, *turns: Turn, back: object = None) -> Swap:
        return cast(Swap, PlayedSwap(self.log, pod, turns, back))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


def in_hand(played: Played, *swaps: Swap) -> Hands:
    return Hands(played.run, swaps)


def test_replicas_take_turns_and_rest_only_when_all_of_them_wait(played: Played) -> None:
    both = in_hand(
        played,
        played.swap("web-1", ACTS, WAITS, WAITS, THROUGH),
        played.swap("web-0", WAITS, ACTS, WAITS, WAITS, THROUGH),
    )
    assert played.run.in_hand == {"web-1", "web-0"}

    both.to_the_other_side()

    assert played.log == [
        *("web-1 acts", "web-0 waits"),
        *("web-1 waits", "web-0 acts"),
        *("web-1 waits", "web-0 waits", "rest"),
        *("web-1 through", "web-0 waits"),
        "web-0 through",
    ]
    assert [swap.pod for swap in both.through] == ["web-1", "web-0"]
    assert (both.left, played.run.in_hand) == ([], set())


def retreated(pod: str, *, may_try_again: bool) -> Retreated:
    back = Retreated(f"{pod}: it was undone")
    back.may_try_again = may_try_again
    return back


def test_one_that_fails_goes_back_after_the_others_are_through(played: Played) -> None:
    back = retreated("web-1", may_try_again=False)
    both = in_hand(
        played,
        played.swap("web-1", Stopped("waited too long"), back=back),
        played.swap("web-0", ACTS, ACTS, THROUGH),
    )
    with pytest.raises(Retreated) as raised:
        both.to_the_other_side()

    assert raised.value is back
    assert played.log == ["web-1 fails", *["web-0 acts"] * 2, "web-0 through", "web-1 goes back"]
    assert [swap.pod for swap in both.through] == ["web-0"]
    assert (both.left, played.run.in_hand) == ([], set())
    assert len(played.told) == 1


def test_one_without_a_way_back_stays_in_hand_and_is_what_people_hear(played: Played) -> None:
    stuck = NeedsPerson("web-0: somebody else made it")
    three = in_hand(
        played,
        played.swap("web-2", Stopped("others"), back=retreated("web-2", may_try_again=True)),
        played.swap("web-1", Stopped("timeout"), back=retreated("web-1", may_try_again=False)),
        played.swap("web-0", stuck),
    )
    with pytest.raises(NeedsPerson) as raised:
        three.to_the_other_side()

    assert raised.value is stuck
    assert [swap.pod for swap in three.left] == ["web-0"]
    assert played.run.in_hand == {"web-0"}


@pytest.mark.parametrize("make", [lambda: LeaseLost("somebody else holds it")])
def test_after_a_lost_lease_nobody_takes_another_turn(
    played: Played, make: Callable[[], ToolError]
) -> None:
    both = in_hand(
        played, played.swap("web-1", make(), back=None), played.swap("web-0", ACTS, THROUGH)
    )
    with pytest.raises(LeaseLost):
        both.to_the_other_side()
    assert played.log == ["web-1 fails"]
    assert [swap.pod for swap in both.left] == ["web-1", "web-0"]
