"""Medians, spreads, slopes and the ratios that the project wants to reach: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median


@dataclass(frozen=True, slots=True)
class Spread:
    """What several measurements of one thing say."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None when there are no values."""
        if not values:
            return None
        return cls(median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.least:.1f}-{self.most:.1f})"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio is to reach: at most `limit`, or at least if `least`."""

    ratio: str
    limit: float
    least: bool
    what: str

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit


GOALS = (
    Goal("away_over_floor", 1.15, least=False, what="a replica's seconds away ÷ the floor's"),
    Goal("runbook_over_tool", 3, least=True, what="the runbook's seconds away ÷ the tool's"),
    Goal(
        "uncontrolled_over_away",
        1,
        least=False,
        what="seconds without a controller ÷ seconds away (--window replica)",
    ),
    Goal(
        "wall_100_over_linear",
        1.05,
        least=False,
        what="100 replicas' wall time ÷ (100 times one replica's)",
    ),
    Goal(
        "calls_growing_with_set",
        0,
        least=False,
        what="calls a replica that a set of 100 costs more than a small one",
    ),
    Goal(
        "calls_growing_with_cluster",
        0,
        least=False,
        what="calls a replica that a crowded cluster costs more than an empty one",
    ),
)


def over(dividend: float | None, divisor: float | None) -> float | None:
    """The ratio of two figures; None when one is missing."""
    if dividend is None or not divisor:
        return None
    return round(dividend / divisor, 3)


def middle(values: Sequence[float]) -> float | None:
    """The median; None when there are no values."""
    return median(values) if values else None


def per_hundred(by_disks: Mapping[int, float]) -> float | None:
    """By how much the figure grows for each hundred disks more; None below two numbers of them."""
    found = slope(by_disks, digits=6)
    return None if found is None else round(100 * found, 2)


def slope(by_size: Mapping[int, float], digits: int = 3) -> float | None:
    """By how much the figure grows for each replica more; None below two sizes."""
    if len(by_size) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    return round(linear_regression(list(by_size), list(by_size.values())).slope, digits)
