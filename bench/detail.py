"""Tables of single replicas, of trials, and of what grows with the size: pure."""

from __future__ import annotations

from collections.abc import Sequence

from bench.bed import Run
from bench.calls import Call, by_verb
from bench.columns import Rows, columns
from bench.experiment import Found
from bench.figures import GOALS, slope
from bench.growth import PerReplica, turns
from bench.methods import CLIENTS, RUNBOOK
from bench.result import all_growth, by_size, crowded
from bench.trials import Trials, trials


def replicas(found: Found) -> str:
    """Every replica of the first run of each method whose calls are a client's own."""
    rows: Rows = [("REPLICA, SECONDS", "AWAY", "NO STATEFULSET", "WALL", "CALLS IN THAT TIME")]
    for method in CLIENTS:
        for run in found.runs.get(method, [])[:1]:
            rows += [(f"{method}:", "", "", "", "")]
            rows += _replicas(run)
    note = (
        "A replica's wall time: from its going to the next one's, the last one's to the end. "
        "The admin cluster's API server counts too, as `admin`; the tool was given the user "
        "cluster's own kubeconfig and asked the other one nothing."
    )
    return f"{columns(rows)}\n{note if not _admin(found) else ''}".rstrip()


def _admin(found: Found) -> bool:
    runs = [run for method in CLIENTS for run in found.runs.get(method, [])]
    return any(call.api == "admin" for run in runs for call in run.calls)


def _replicas(run: Run) -> Rows:
    rows: Rows = []
    for absence, turn in zip(run.absences, turns(run), strict=True):
        seconds = (absence.seconds, absence.without_set, turn.span.seconds)
        rows.append((absence.pod, *(f"{each:.1f}" for each in seconds), _told(turn.calls)))
    first = min((absence.span.began for absence in run.absences), default=run.span.ended)
    before = [call for call in run.calls if call.at < first]
    return [("before the first", "", "", f"{first - run.span.began:.1f}", _told(before)), *rows]


def _told(calls: Sequence[Call]) -> str:
    parts = [
        f"{api}: {', '.join(f'{verb} {count}' for verb, count in verbs.items())}"
        for api, verbs in by_verb(calls).items()
    ]
    return "; ".join(parts)


def trial_table(found: Found) -> list[str]:
    """Nothing unless there were any."""
    told = trials(found)
    rows: Rows = [
        (
            "A SET OF ONE, SECONDS AWAY",
            "CLAIMS",
            "RUNS",
            "MEDIAN",
            "MEAN",
            "LEAST-MOST",
            "WITH A STALL",
            "MEDIAN ÷ TOOL'S",
            "MEAN ÷ TOOL'S",
        )
    ]
    rows += map(_trial, told)
    notes = [_arithmetic(each) for each in told if each.method == RUNBOOK]
    return ["\n".join([columns(rows), *filter(None, notes)])] if told else []


def _trial(one: Trials) -> Sequence[str]:
    return (
        one.method,
        str(one.claims),
        str(one.away.count),
        f"{one.away.median:.1f}",
        f"{one.mean:.1f}",
        f"{one.away.least:.1f}-{one.away.most:.1f}",
        f"{one.stalled:.0%}",
        _ratio(one.median_over_tool),
        _ratio(one.mean_over_tool),
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _arithmetic(runbook: Trials) -> str:
    """What the runbook would have to take for its goal, beside what it takes without a stall."""
    wanted = next(goal.limit for goal in GOALS if goal.ratio == "runbook_over_tool")
    if not runbook.median_over_tool or runbook.calm_most is None:
        return ""
    needed = wanted * runbook.away.median / runbook.median_over_tool
    return (
        f"Claims: {runbook.claims}. {wanted:g} times the tool's median are {needed:.1f} s; "
        f"a runbook without a stall took {runbook.calm_most:.1f} s at most."
    )


def growth_table(found: Found) -> str:
    """Calls of each kind by the size of the set, and in a crowded cluster."""
    sizes, crowd = by_size(found), crowded(found)
    shown = [*sizes.values(), *([crowd] if crowd else [])]
    heads = [f"SET OF {size}" for size in sizes] + ["CROWDED"] * bool(crowd)
    rows: Rows = [("CALLS PER REPLICA, MEDIANS", *heads, "SLOPE", "GROWS BY")]
    rows.append(("seconds of a replica", *(f"{one.seconds:.1f}" for one in shown), "", ""))
    rows.append(("all", *(f"{one.all_calls:g}" for one in shown), *_grows(found, "", sizes)))
    for kind in sorted({kind for one in shown for kind in one.calls}):
        calls = [f"{one.calls.get(kind, 0):g}" for one in shown]
        rows.append((kind, *calls, *_grows(found, kind, sizes)))
    return f"{columns(rows)}\n{_GROWTH_NOTE}"


_GROWTH_NOTE = (
    "Slope: calls more for each replica that the set has more. Grows by: whole calls that the "
    "largest set (s) or the crowd (c) costs beyond what a longer turn accounts for, since a wait "
    "that takes longer is polled more often."
)


def _grows(found: Found, kind: str, sizes: dict[int, PerReplica]) -> tuple[str, str]:
    lines = {
        size: (one.calls.get(kind, 0) if kind else one.all_calls) for size, one in sizes.items()
    }
    along = slope(lines)
    more = {
        mark: sum(calls for name, calls in found_growth.items() if not kind or name == kind)
        for mark, found_growth in all_growth(found).items()
        if found_growth is not None
    }
    told = ", ".join(f"{mark} {calls}" for mark, calls in more.items() if calls or not kind)
    return ("-" if along is None else f"{along:.2f}", told)
