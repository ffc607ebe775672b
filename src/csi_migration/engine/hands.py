"""The replicas that are being swapped: one, or several in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from csi_migration.engine.patience import ROUND_SECONDS
from csi_migration.engine.run import Run
from csi_migration.engine.swap import MUST_STOP, Retreated, Swap, Turn
from csi_migration.model.errors import NeedsPerson, ToolError
from csi_migration.model.events import Notice

_PAUSE_SECONDS = 0.2
# Looking takes its time too: of that, rest so many times as long, but no longer than a
# round, for the Lease and the other pods are looked after between rests.
_REST_FOR_A_LOOK = 2.0


class Hands:
    """Swaps that are under way: one write at a time, their waits side by side.

    Nobody misses their pods meanwhile (`Run.in_hand`).

    Attributes:
        left: those that are not through, whatever became of them.
    """

    def __init__(
        self,
        run: Run,
        swaps: Sequence[Swap] = (),
        *,
        came_through: Callable[[Swap], None] = lambda _: None,
        bring_the_set_back: Callable[[], None] = lambda: None,
    ) -> None:
        """Take replicas in hand.

        Args:
            run: the run.
            swaps: theirs.
            came_through: hears of each that has come to the other side.
            bring_the_set_back: closes the window that several share, when another pod
                needs its controller.
        """
        self._run = run
        self._came_through = came_through
        self._bring_the_set_back = bring_the_set_back
        self._stuck: dict[Swap, ToolError] = {}
        self._ends: list[ToolError] = []
        self.left = list(swaps)
        run.in_hand |= {swap.pod for swap in swaps}

    def to_the_other_side(self) -> None:
        """Bring every replica to the volumes that the run is after, Ready.

        One that fails does not hold up the others: it is undone beside them if none of
        its claims was deleted, and else stays as it is until they have come to their end.

        Raises:
            Retreated: one was undone; it is no longer `left`.
            ToolError: as `Swap.to_the_other_side`.
        """
        if len(self.left) == 1:
            self._alone(self.left[0])
        else:
            self._in_turns()

    def is_between(self) -> list[str]:
        """The pods that only this run may start."""
        return [swap.pod for swap in self.left if swap.is_between()]

    def forwards(self) -> set[str]:
        """The pods of those that have not turned back."""
        return {swap.pod for swap in self.left if not swap.is_retreating}

    def _alone(self, swap: Swap) -> None:
        try:
            swap.to_the_other_side()
        except Retreated:
            self._put_down(swap)
            raise
        self._put_down(swap)
        self._came_through(swap)

    def _in_turns(self) -> None:
        while under_way := [swap for swap in self.left if swap not in self._stuck]:
            begun = time.monotonic()
            turns = {self._turn(swap) for swap in under_way}
            if turns == {Turn.NEEDS_THE_SET}:
                if self._stuck:
                    break  # over a missing claim it must not come back
                self._bring_the_set_back()
            elif turns <= {Turn.WAITS, Turn.NEEDS_THE_SET}:
                looked = time.monotonic() - begun
                time.sleep(min(ROUND_SECONDS, max(_PAUSE_SECONDS, _REST_FOR_A_LOOK * looked)))
        ends = [*self._stuck.values(), *self._ends]
        if ends:
            raise min(ends, key=_hope)  # each has been told when it happened

    def _turn(self, swap: Swap) -> Turn:
        try:
            turn = swap.turn()
        except MUST_STOP:
            raise
        except ToolError as error:
            self._fails(swap, error)
            return Turn.ACTS
        if turn is Turn.THROUGH:
            self._put_down(swap)
            self._came_through(swap)
        elif turn is Turn.UNDONE:
            self._put_down(swap)
            self._ends.append(swap.retreated())
        return turn

    def _fails(self, swap: Swap, error: ToolError) -> None:
        self._run.tell(Notice("warning", error.message, swap.pod))
        if not swap.turn_back(error):
            is_for_a_person = isinstance(error, NeedsPerson)
            self._stuck[swap] = error if is_for_a_person else swap.error or error

    def _put_down(self, swap: Swap) -> None:
        self.left.remove(swap)
        self._run.in_hand.discard(swap.pod)


def _hope(error: ToolError) -> int:
    """Lowest for what has no way back, then for what may not be tried again."""
    if not isinstance(error, Retreated):
        return 0
    return 2 if error.may_try_again else 1
