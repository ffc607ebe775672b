"""The replicas that are being swapped: one, or several in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence

from csi_migration.engine.run import Run
from csi_migration.engine.swap import MUST_STOP, Retreated, Swap
from csi_migration.model.errors import ToolError
from csi_migration.model.events import Notice

_PAUSE_SECONDS = 0.2
# Looking takes its time too: of that, rest so many times as long.
_REST_FOR_A_LOOK = 2.0


class Hands:
    """Swaps that are under way: one write at a time, their waits side by side.

    Nobody misses their pods meanwhile (`Run.in_hand`).

    Attributes:
        left: those that are not through, whatever became of them.
        through: those that have come to the other side.
    """

    def __init__(self, run: Run, swaps: Sequence[Swap]) -> None:
        self._run = run
        self.left = list(swaps)
        self.through: list[Swap] = []
        run.in_hand |= {swap.pod for swap in swaps}

    def to_the_other_side(self) -> None:
        """Bring every replica to the volumes that the run is after, Ready.

        One that fails does not hold up the others: they come to their end first, then
        it is undone if none of its claims was deleted.

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

    def _alone(self, swap: Swap) -> None:
        try:
            swap.to_the_other_side()
        except Retreated:
            self._put_down(swap)
            raise
        self._came_through(swap)

    def _in_turns(self) -> None:
        failed: dict[Swap, ToolError] = {}
        while under_way := [swap for swap in self.left if swap not in failed]:
            begun = time.monotonic()
            for swap in under_way:
                self._turn(swap, failed)
            if all(swap.is_waiting for swap in under_way):
                looked = time.monotonic() - begun
                time.sleep(max(_PAUSE_SECONDS, _REST_FOR_A_LOOK * looked))
        self._undo(failed)

    def _turn(self, swap: Swap, failed: dict[Swap, ToolError]) -> None:
        try:
            if swap.turn():
                self._came_through(swap)
        except MUST_STOP:
            raise
        except ToolError as error:
            failed[swap] = error
            self._run.tell(Notice("warning", error.message, swap.pod))

    def _undo(self, failed: dict[Swap, ToolError]) -> None:
        """Raise what is worst: an error without a way back, then one that may not be tried again.

        All of them have been told.
        """
        ends: list[ToolError] = []
        for swap, error in failed.items():
            try:
                swap.undo(error)
            except Retreated as back:
                self._put_down(swap)
                ends.append(back)
            else:
                ends.append(error)
        if ends:
            raise min(ends, key=_hope)

    def _came_through(self, swap: Swap) -> None:
        self._put_down(swap)
        self.through.append(swap)

    def _put_down(self, swap: Swap) -> None:
        self.left.remove(swap)
        self._run.in_hand.discard(swap.pod)


def _hope(error: ToolError) -> int:
    if not isinstance(error, Retreated):
        return 0
    return 2 if error.may_try_again else 1
