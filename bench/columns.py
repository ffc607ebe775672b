"""Figures under each other, and whether they are reached: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.figures import Goal

Rows = list[Sequence[str]]


def columns(rows: Rows) -> str:
    """Cells under each other, the first row being the heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def verdicts(goals: Sequence[Goal], values: Mapping[str, float | None]) -> str:
    """What was found beside what is to be reached."""
    rows: Rows = [("RATIO", "FOUND", "TO REACH", "", "WHAT")]
    for goal in goals:
        value = values[goal.ratio]
        wanted = f"{'>=' if goal.least else '<='} {goal.limit:g}"
        told = "not measured" if value is None else f"{value:.3f}"
        verdict = "" if value is None else ("reached" if goal.reached(value) else "NOT reached")
        rows.append((goal.ratio, told, wanted, verdict, goal.what))
    return columns(rows)
