"""Events as lines with time stamps, for logs, pipes and CI."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Self, TextIO

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
from csi_migration.report.heartbeat import Heartbeat
from csi_migration.report.result import ending, result_table
from csi_migration.report.style import Paint, duration, timestamp


class PlainLines:
    """A Reporter that writes one line an event to `err` and the result to `out`."""

    def __init__(self, out: TextIO, err: TextIO, now: Callable[[], datetime], paint: Paint) -> None:
        self._out = out
        self._err = err
        self._now = now
        self._paint = paint
        self._heartbeat = Heartbeat()
        self._done: list[ReplicaDone] = []

    def event(self, event: Event) -> None:
        """Write the event's line, or leave out a Waiting that says nothing new."""
        if isinstance(event, Waiting) and not self._heartbeat.is_due(event):
            return
        if isinstance(event, RunEnded):
            self._end(event)
            return
        if isinstance(event, ReplicaDone):
            self._done.append(event)
        self._err.write(f"{timestamp(self._now())} {line(event, self._paint)}\n")
        self._err.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Every line is out already."""

    def _end(self, event: RunEnded) -> None:
        self._err.write(f"{timestamp(self._now())} {ending(event, self._paint)}")
        self._err.flush()
        self._out.write(result_table(self._done))
        self._out.flush()


def line(
    event: RunStarted | StepStarted | Waiting | StepDone | ReplicaDone | Notice, paint: Paint
) -> str:
    """What happened, after where it happened: the replica and the step."""
    match event:
        case RunStarted():
            return started(event)
        case StepStarted():
            return f"{where(event.replica, event.step)}: {event.title}"
        case Waiting():
            return f"{where(event.replica, event.step)}: {waiting(event)}"
        case StepDone():
            told = f": {event.detail}" if event.detail else ""
            return f"{where(event.replica, event.step)}: done in {duration(event.seconds)}{told}"
        case ReplicaDone():
            return f"{event.replica}: {paint.good('done')}, {moved(event)}"
        case Notice():
            return notice(event, paint)


def started(event: RunStarted) -> str:
    """What is about to be migrated, in which order."""
    return (
        f"StatefulSet {event.namespace}/{event.statefulset}, window {event.window}, "
        f"replicas {', '.join(event.replicas)}; backup in {event.working_directory}"
    )


def waiting(event: Waiting) -> str:
    """What is waited for, how long, and against which time-out."""
    return f"waiting {event.seconds:.0f} s of at most {event.timeout:.0f} s: {event.reason}"


def moved(event: ReplicaDone) -> str:
    """How many volumes the replica has on which side now, and how long it was away."""
    count = len(event.volumes)
    volumes = "1 volume" if count == 1 else f"{count} volumes"
    where_now = "on CSI" if event.side == "CSI" else "in-tree again"
    if event.seconds_away is None:
        return f"{volumes} {where_now}"
    return f"{volumes} {where_now}, away for {duration(event.seconds_away)}"


def notice(event: Notice, paint: Paint) -> str:
    """The notice, its replica in front and its level when it is not mere information."""
    level = f"{paint.warning(event.level)}: " if event.level != "info" else ""
    replica = f"{event.replica}: " if event.replica else ""
    return f"{replica}{level}{event.text}"


def where(replica: str, step: str) -> str:
    """The replica and the step; the step alone for those of the whole run."""
    return f"{replica} {step}".strip()
