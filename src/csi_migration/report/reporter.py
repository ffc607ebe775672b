"""Chooses how a run is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, Protocol, Self, TextIO

from csi_migration.model.events import Event
from csi_migration.report.jsonlines import JsonLines
from csi_migration.report.plain import PlainLines
from csi_migration.report.style import Colour, Paint, is_terminal, use_colour

Output = Literal["text", "json"]


class Reporter(Protocol):
    """Tells a run's events, between entering and leaving it."""

    def event(self, event: Event) -> None:
        """Tell one event."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Leave the streams as they were found, however the run ended."""


def reporter_for(
    output: Output,
    out: TextIO,
    err: TextIO,
    *,
    environment: Mapping[str, str],
    colour: Colour = "auto",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> Reporter:
    """The Reporter for an output format and what the streams are.

    Data goes to `out`: the JSON lines, or the table of results. Talk goes to
    `err`: a drawing on a terminal, lines with time stamps elsewhere.
    """
    if output == "json":
        return JsonLines(out, now)
    paint = Paint(use_colour(err, colour, environment))
    if not is_terminal(err, environment):
        return PlainLines(out, err, now, paint)
    # The terminal's library takes longer to load than everything else here.
    from csi_migration.report.terminal import TerminalView

    return TerminalView(out, err, monotonic, paint)
