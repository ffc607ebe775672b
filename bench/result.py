"""From what was measured to the figures that are told: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.away import OWN_PHASES, PHASES, Absence
from bench.bed import Run
from bench.calls import by_verb
from bench.delays import of_the_driver
from bench.experiment import Found, Options
from bench.figures import Spread, middle, over, slope
from bench.growth import PerReplica, growth, per_replica, turns
from bench.methods import FLOOR, METHODS, ONE_FILE, REPLICA, RUNBOOK, WHOLE_RUN
from bench.trials import trials

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
    return None if restart is None else restart + of_the_driver(delays, options.claims[0])


def phases(runs: Sequence[Run]) -> dict[str, float | None]:
    """The median of each phase's seconds."""
    spans = [absence.phases for run in runs for absence in run.absences]
    return {name: middle([each[at].seconds for each in spans]) for at, name in enumerate(PHASES)}


def by_size(found: Found) -> dict[int, PerReplica]:
    """Calls per replica by the number of replicas of the set; a set of one tells nothing."""
    runs = [*found.runs.get(REPLICA, []), *(run for each in found.by_size.values() for run in each)]
    sizes = sorted({run.workload.replicas for run in runs})
    medians = {
        size: per_replica([run for run in runs if run.workload.replicas == size]) for size in sizes
    }
    return {size: calls for size, calls in medians.items() if calls is not None}


def crowded(found: Found) -> PerReplica | None:
    """Calls per replica in a crowded cluster."""
    return per_replica(found.crowded)


def all_growth(found: Found) -> dict[str, dict[str, int] | None]:
    """What the largest set (`s`) and a crowd (`c`) cost more; None is not measured."""
    sizes, crowd = by_size(found), crowded(found)
    small, large = (min(sizes), max(sizes)) if sizes else (0, 0)
    same = sizes.get(found.crowded[0].workload.replicas) if found.crowded else None
    return {
        "s": growth(sizes[small], sizes[large]) if small < large else None,
        "c": growth(same, crowd) if same and crowd else None,
    }


def own_seconds(runs: Sequence[Run]) -> float | None:
    """The median of what is nobody's wait: the phases of whoever migrates."""
    own = [PHASES.index(name) for name in OWN_PHASES]
    return middle(
        [sum(one.phases[at].seconds for at in own) for run in runs for one in run.absences]
    )


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
    sizes, more = by_size(found), all_growth(found)
    more_by_set = more["s"] if _LARGE in sizes else None
    return {
        "away_over_floor": over(tool_away, floor),
        "away_over_floor_window_run": over(run_away, floor),
        "runbook_over_tool": _over_tool(found, RUNBOOK, options),
        "runbook_one_file_over_tool": _over_tool(found, ONE_FILE, options),
        "uncontrolled_over_away": middle([share for run in tool for share in _uncontrolled(run)]),
        "wall_100_over_linear": linear if options.large == _LARGE else None,
        "wall_over_linear": linear,
        "marginal_over_one": over(marginal_seconds(found, options.large), _one(found)),
        "calls_per_replica_slope": slope({size: one.all_calls for size, one in sizes.items()}),
        "calls_growing_with_set": _sum(more_by_set),
        "calls_growing_with_cluster": _sum(more["c"]),
    }


def _sum(more: Mapping[str, int] | None) -> int | None:
    return None if more is None else sum(more.values())


def _over_tool(found: Found, method: str, options: Options) -> float | None:
    """By the trials, if there were any, else by the runs of each method."""
    claims = options.claims[0]

    def seconds(which: str) -> float | None:
        return middle(away(found.trials.get((which, claims)) or found.runs.get(which, [])))

    return over(seconds(method), seconds(REPLICA))


def _uncontrolled(run: Run) -> list[float]:
    return [round(each.without_set / each.seconds, 3) for each in run.absences]


def _one(found: Found) -> float | None:
    """The wall time of a set of one."""
    return middle([run.wall_seconds for run in found.by_size.get(1, [])])


def _large(found: Found, large: int) -> float | None:
    return middle([run.wall_seconds for run in found.by_size.get(large, [])])


def _wall_over_linear(found: Found, large: int) -> float | None:
    one = _one(found)
    return over(_large(found, large), large * one if one else None) if large > 1 else None


def marginal_seconds(found: Found, large: int) -> float | None:
    """What each replica after the first adds to a large set's wall time."""
    one, all_of_them = _one(found), _large(found, large)
    if one is None or all_of_them is None or large < 2:  # noqa: PLR2004 - there is none after it
        return None
    return round((all_of_them - one) / (large - 1), 3)


def as_json(found: Found, delays: Mapping[str, float], options: Options) -> dict[str, Any]:
    """Everything: the ratios, and the raw figures beside them."""
    return {
        "ratios": ratios(found, delays, options),
        "options": asdict(options),
        "delays": dict(delays),
        "driver_seconds": round(of_the_driver(delays, options.claims[0]), 3),
        "floor_seconds": floor_seconds(found, delays, options),
        "methods": {
            method: _method(found.runs[method]) for method in METHODS if method in found.runs
        },
        "trials": [asdict(each) for each in trials(found)],
        "by_size": [_run(run) for runs in found.by_size.values() for run in runs],
        "crowded": [_run(run) for run in found.crowded],
        "marginal_seconds": marginal_seconds(found, options.large),
        "at_once": [_run(run) | {"at_once": number} for number, run in found.at_once.items()],
        "speed_up": speed_ups(found),
        "calls_per_replica": {size: asdict(one) for size, one in by_size(found).items()},
        "calls_per_replica_crowded": asdict(crowd) if (crowd := crowded(found)) else None,
        "calls_that_grow": all_growth(found),
        "start_milliseconds": found.starts,
        "waiting_cpu_percent": {size: asdict(waiting) for size, waiting in found.waiting.items()},
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
        "replicas": [
            _replica(absence) | {"wall_seconds": turn.span.seconds, "calls": by_verb(turn.calls)}
            for absence, turn in zip(run.absences, turns(run), strict=True)
        ],
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
        "binding_seconds": [round(each, 3) for each in absence.bindings],
        "phases": {
            name: round(span.seconds, 3) for name, span in zip(PHASES, absence.phases, strict=True)
        },
    }
