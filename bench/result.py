"""From what was measured to the figures that are told: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from bench.away import PHASES, Absence, Span
from bench.bed import Run
from bench.calls import by_verb, within
from bench.delays import of_the_driver
from bench.experiment import FLOOR, METHODS, REPLICA, RUNBOOK, WHOLE_RUN, Found, Options
from bench.figures import Spread, middle, over, slope

# The size that the goal speaks of.
_LARGE = 100
KUBERNETES, VCENTER = ("user", "admin"), ("vcenter",)


def away(runs: Sequence[Run]) -> list[float]:
    """Each replica's seconds away, of all runs."""
    return [absence.seconds for run in runs for absence in run.absences]


def away_in_all(runs: Sequence[Run]) -> list[float]:
    """Seconds away of all replicas together, of each run."""
    return [sum(absence.seconds for absence in run.absences) for run in runs]


def without_set(runs: Sequence[Run]) -> list[float]:
    """Seconds without a StatefulSet, of each run."""
    return [sum(window.seconds for window in run.windows) for run in runs]


def floor_seconds(found: Found, delays: Mapping[str, float], options: Options) -> float | None:
    """A plain restart, and what the driver adds."""
    restart = middle(away(found.runs.get(FLOOR, [])))
    return None if restart is None else restart + of_the_driver(delays, options.claims)


def phases(runs: Sequence[Run]) -> dict[str, float | None]:
    """The median of each phase's seconds."""
    spans = [absence.phases for run in runs for absence in run.absences]
    return {name: middle([each[at].seconds for each in spans]) for at, name in enumerate(PHASES)}


def calls_per_replica(run: Run, apis: Sequence[str]) -> float | None:
    """The median of the calls from one replica's going to the next one's."""
    begins = [absence.span.began for absence in run.absences]
    calls = [call for call in run.calls if call.api in apis]
    return middle([within(calls, Span(*pair)) for pair in pairwise(begins)])


def calls_by_size(found: Found, apis: Sequence[str]) -> dict[int, float]:
    """Calls per replica by the number of replicas of the set; a set of one tells nothing."""
    runs = [*found.runs.get(REPLICA, []), *found.by_size.values()]
    sizes = sorted({run.workload.replicas for run in runs})
    by_size = {
        size: middle(
            [
                calls
                for run in runs
                if run.workload.replicas == size
                and (calls := calls_per_replica(run, apis)) is not None
            ]
        )
        for size in sizes
    }
    return {size: calls for size, calls in by_size.items() if calls is not None}


def speed_ups(found: Found) -> dict[int, float]:
    """The wall time of one at a time ÷ that of several at once, by their number."""
    if 1 not in found.at_once:
        return {}
    alone = found.at_once[1].wall_seconds
    return {number: round(alone / run.wall_seconds, 2) for number, run in found.at_once.items()}


def ratios(found: Found, delays: Mapping[str, float], options: Options) -> dict[str, float | None]:
    """One flat object; null is what was not measured."""
    floor = floor_seconds(found, delays, options)
    tool = found.runs.get(REPLICA, [])
    tool_away, run_away = middle(away(tool)), middle(away(found.runs.get(WHOLE_RUN, [])))
    linear = _wall_over_linear(found, options.large)
    everything = (*KUBERNETES, *VCENTER)
    return {
        "away_over_floor": over(tool_away, floor),
        "away_over_floor_window_run": over(run_away, floor),
        "runbook_over_tool": over(middle(away(found.runs.get(RUNBOOK, []))), tool_away),
        "uncontrolled_over_away": middle([share for run in tool for share in _uncontrolled(run)]),
        "wall_100_over_linear": linear if options.large == _LARGE else None,
        "wall_over_linear": linear,
        "calls_per_replica_slope": slope(calls_by_size(found, everything)),
    }


def _uncontrolled(run: Run) -> list[float]:
    return [round(each.without_set / each.seconds, 3) for each in run.absences]


def _wall_over_linear(found: Found, large: int) -> float | None:
    if not {1, large} <= set(found.by_size):
        return None
    one, all_of_them = found.by_size[1].wall_seconds, found.by_size[large].wall_seconds
    return over(all_of_them, large * one)


def as_json(found: Found, delays: Mapping[str, float], options: Options) -> dict[str, Any]:
    """Everything: the ratios, and the raw figures beside them."""
    return {
        "ratios": ratios(found, delays, options),
        "options": asdict(options),
        "delays": dict(delays),
        "driver_seconds": round(of_the_driver(delays, options.claims), 3),
        "floor_seconds": floor_seconds(found, delays, options),
        "methods": {
            method: _method(found.runs[method]) for method in METHODS if method in found.runs
        },
        "by_size": [_run(run) for run in found.by_size.values()],
        "at_once": [_run(run) | {"at_once": number} for number, run in found.at_once.items()],
        "speed_up": speed_ups(found),
        "calls_per_replica": {
            "kubernetes": calls_by_size(found, KUBERNETES),
            "vcenter": calls_by_size(found, VCENTER),
        },
        "start_milliseconds": found.starts,
        "waiting_cpu_percent": asdict(found.waiting) if found.waiting else None,
        "loads": found.loads,
    }


def _method(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "away_seconds": _spread(away(runs)),
        "away_in_all_seconds": _spread(away_in_all(runs)),
        "without_set_seconds": _spread(without_set(runs)),
        "wall_seconds": _spread([run.wall_seconds for run in runs]),
        "phases": phases(runs),
        "runs": [_run(run) for run in runs],
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    found = Spread.of(values)
    return asdict(found) if found else None


def _run(run: Run) -> dict[str, Any]:
    return {
        "replicas": [_replica(absence) for absence in run.absences],
        "without_set_seconds": [round(window.seconds, 3) for window in run.windows],
        "wall_seconds": round(run.wall_seconds, 3),
        "calls": by_verb(run.calls),
        "usage": asdict(run.usage) if run.usage else None,
    }


def _replica(absence: Absence) -> dict[str, Any]:
    return {
        "pod": absence.pod,
        "away_seconds": round(absence.seconds, 3),
        "without_set_seconds": round(absence.without_set, 3),
        "phases": {
            name: round(span.seconds, 3) for name, span in zip(PHASES, absence.phases, strict=True)
        },
    }
