"""What a run comes to: which claim went from which volume to which."""

from __future__ import annotations

from collections.abc import Sequence

from csi_migration.model.events import ReplicaDone, RunEnded
from csi_migration.report.style import Paint, duration

_TITLES = ("REPLICA", "CLAIM", "OLD-VOLUME", "NEW-VOLUME", "FCD", "AWAY")


def result_table(replicas: Sequence[ReplicaDone]) -> str:
    """One row per claim, in the order of the swaps; nothing in it has spaces.

    AWAY is the seconds from the pod's deletion until it was seen Ready again, if this
    run deleted it. Empty when no replica was swapped.
    """
    rows = [
        (done.replica, v.claim, v.old_volume, v.new_volume, v.disk_id, _away(done.seconds_away))
        for done in replicas
        for v in done.volumes
    ]
    return table(_TITLES, rows) if rows else ""


def _away(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}s"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as kubectl prints them, three spaces apart."""
    cells = [[cell or "<none>" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    return "".join(_line(row, widths) for row in (titles, *cells))


def ending(event: RunEnded, paint: Paint) -> str:
    """How the run ended, where things stand, and what to do next."""
    colour = paint.bad if event.exit_code else paint.good
    lines = [f"{colour(event.summary)} ({duration(event.seconds)})"]
    lines += [f"  State: {event.state}"] if event.state else []
    lines += [f"  Next:  {event.next}"] if event.next else []
    return "".join(f"{line}\n" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "   ".join(map(str.ljust, row, widths)).rstrip() + "\n"
