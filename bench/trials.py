"""The runbook's two forms and the tool, done often enough to see the chance in it: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from bench.away import Absence
from bench.bed import Run
from bench.experiment import Found
from bench.figures import Spread, over
from bench.methods import REPLICA, TRIALS

# Far above the half second that a claim takes at most which nobody drops, and below the rest of
# the volume controller's 15 seconds that the others wait for as a rule.
STALL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Trials:
    """What the runs of one method with one number of claims say of a replica's seconds away.

    Attributes:
        stalled: the share of runs in which a claim stalled.
        calm_most: the most that a run took in which none did.
        median_over_tool, mean_over_tool: ÷ the tool's with as many claims.
    """

    method: str
    claims: int
    away: Spread
    mean: float
    stalled: float
    calm_most: float | None
    median_over_tool: float | None
    mean_over_tool: float | None


def trials(found: Found) -> list[Trials]:
    """By number of claims, then by method."""
    numbers = sorted({claims for _, claims in found.trials})
    all_of_them = [_trials(found, method, claims) for claims in numbers for method in TRIALS]
    return [each for each in all_of_them if each]


def _trials(found: Found, method: str, claims: int) -> Trials | None:
    away = _away(found.trials.get((method, claims), []))
    tool = _away(found.trials.get((REPLICA, claims), []))
    spread, tools = _spread(away), _spread(tool)
    if spread is None:
        return None
    average = mean(each.seconds for each in away)
    return Trials(
        method,
        claims,
        spread,
        average,
        sum(map(stalls, away)) / len(away),
        max((each.seconds for each in away if not stalls(each)), default=None),
        over(spread.median, tools.median if tools else None),
        over(average, mean(each.seconds for each in tool) if tool else None),
    )


def stalls(absence: Absence) -> bool:
    """Whether a claim of the replica waited for the volume controller's resynchronisation."""
    return any(seconds > STALL_SECONDS for seconds in absence.bindings)


def _away(runs: Sequence[Run]) -> list[Absence]:
    return [absence for run in runs for absence in run.absences]


def _spread(away: Sequence[Absence]) -> Spread | None:
    return Spread.of([absence.seconds for absence in away])
