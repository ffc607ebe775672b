"""Events on a terminal: one line a replica, drawn anew in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from csi_migration.model.events import (
    Event,
    Notice,
    ReplicaDone,
    RunEnded,
    RunStarted,
    StepDone,
    StepStarted,
    Waiting,
)
from csi_migration.report.plain import moved, notice, started
from csi_migration.report.result import ending, result_table
from csi_migration.report.style import Paint, can_encode, duration

_REDRAWS_PER_SECOND = 2
_SYMBOLS = {"ahead": "·", "working": "▸", "waiting": "◦", "done": "✓", "stopped": "✗"}
_ASCII_SYMBOLS = {"ahead": " ", "working": ">", "waiting": "~", "done": "+", "stopped": "x"}
_COLOURS = {"ahead": "dim", "working": "cyan", "waiting": "cyan", "done": "green", "stopped": "red"}


@dataclass(frozen=True, slots=True)
class Row:
    """One replica's line; `since` is on the monotonic clock, `timeout` 0 for none."""

    state: str = "ahead"
    step: str = ""
    doing: str = ""
    since: float = 0.0
    timeout: float = 0.0

    def after(self, event: Event, now: float) -> Row:
        """The line after an event of this replica."""
        match event:
            case StepStarted():
                return Row("working", event.step, event.title, now)
            case Waiting():
                since = now - event.seconds
                return Row("waiting", event.step, f"waiting: {event.reason}", since, event.timeout)
            case StepDone():
                # What is done for the whole run is over; a replica goes on to its next step.
                doing = event.detail or self.doing
                return Row("working", event.step, doing, now) if event.replica else Row()
            case ReplicaDone():
                return Row("done", doing=moved(event))
            case _:
                return self

    def clock(self, now: float) -> str:
        """How long, and against which time-out; empty when nothing is running."""
        if self.state not in ("working", "waiting"):
            return ""
        passed = duration(max(0.0, now - self.since))
        return f"{passed} / {duration(self.timeout)}" if self.timeout else passed


class TerminalView:
    """A Reporter that draws on the terminal `err` and writes the result to `out`.

    Only times change between events, twice a second; nothing blinks or turns.
    """

    def __init__(
        self, out: TextIO, err: TextIO, monotonic: Callable[[], float], paint: Paint
    ) -> None:
        self._out = out
        self._now = monotonic
        self._paint = paint
        self._symbols = _SYMBOLS if can_encode(err, "".join(_SYMBOLS.values())) else _ASCII_SYMBOLS
        self._statefulset = ""
        self._rows: dict[str, Row] = {}
        self._done: list[ReplicaDone] = []
        self._console = Console(file=err, highlight=False, markup=False, no_color=not paint.on)
        self._live = Live(
            console=self._console,
            get_renderable=self.drawing,
            refresh_per_second=_REDRAWS_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def event(self, event: Event) -> None:
        """Take the event into the picture; what must stay readable goes above it."""
        match event:
            case RunStarted():
                self._statefulset = event.statefulset
                self._rows = dict.fromkeys(("", *event.replicas), Row())
                self._console.print(Text(started(event)))
                # Not before: a question may be asked first, and must stay readable.
                self._live.start()
            case Notice():
                self._console.print(Text.from_ansi(notice(event, self._paint)))
            case RunEnded():
                self._end(event)
            case _:
                self._take(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing and give the terminal back."""
        self._live.stop()

    def drawing(self) -> RenderableType:
        """The lines as they stand: state, replica (first the set), what it is doing, how long."""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        now = self._now()
        for replica, row in tuple(self._rows.items()):
            symbol = Text(self._symbols[row.state], style=_COLOURS[row.state])
            grid.add_row(symbol, replica or self._statefulset, Text(row.doing), row.clock(now))
        return grid

    def _take(self, event: StepStarted | Waiting | StepDone | ReplicaDone) -> None:
        if isinstance(event, ReplicaDone):
            self._done.append(event)
        before = self._rows.get(event.replica, Row())
        row = before.after(event, self._now())
        self._rows = {**self._rows, event.replica: row}
        if (row.state, row.step, row.doing) != (before.state, before.step, before.doing):
            self._live.refresh()

    def _end(self, event: RunEnded) -> None:
        state = "stopped" if event.exit_code else "done"
        self._rows = {
            replica: replace(row, state=state) if row.state in ("working", "waiting") else row
            for replica, row in self._rows.items()
        }
        self._live.stop()
        self._console.print(Text.from_ansi(ending(event, self._paint)), end="")
        self._out.write(result_table(self._done))
        self._out.flush()
