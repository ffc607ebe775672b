"""The figures as text: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.away import PHASES
from bench.bed import Run
from bench.calls import by_verb
from bench.delays import TABLE, of_the_driver
from bench.experiment import METHODS, REPLICA, RUNBOOK, WHOLE_RUN, Found, Options
from bench.figures import GOALS, Spread
from bench.result import (
    KUBERNETES,
    VCENTER,
    away,
    away_in_all,
    calls_by_size,
    floor_seconds,
    phases,
    ratios,
    speed_ups,
    without_set,
)

Rows = list[Sequence[str]]

_HEADS = (
    "SECONDS",
    "AWAY, A REPLICA",
    "AWAY, IN ALL",
    "NO STATEFULSET",
    "WALL",
    "KUBERNETES CALLS",
    "VCENTER CALLS",
    "CPU SECONDS",
    "PEAK MB",
)
# Those whose calls are a client's own: the floor's and copying's are the benchmark's.
_CLIENTS = (RUNBOOK, REPLICA, WHOLE_RUN)


def text(found: Found, delays: Mapping[str, float], options: Options) -> str:
    """All tables, one below the other."""
    parts = [
        _methods(found, delays, options),
        _phases(found),
        _verbs(found),
        _sizes(found),
        *_at_once(found, options),
        _small_things(found),
        _ratios(found, delays, options),
        _delays(delays),
    ]
    return "\n\n".join(parts)


def columns(rows: Rows) -> str:
    """Cells under each other, the first row being the heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _methods(found: Found, delays: Mapping[str, float], options: Options) -> str:
    rows: Rows = [_HEADS]
    rows += [_method(name, found.runs[name]) for name in METHODS if name in found.runs]
    lowest = floor_seconds(found, delays, options)
    driver = of_the_driver(delays, options.claims)
    note = f"{options.runs} runs of {options.replicas} replicas: median (least-most)."
    if lowest is not None:
        note += f" The floor: that restart and the driver's {driver:.1f} s make {lowest:.1f} s."
    return f"{columns(rows)}\n{note}"


def _method(name: str, runs: Sequence[Run]) -> Sequence[str]:
    used = [run.usage for run in runs if run.usage] if name in (REPLICA, WHOLE_RUN) else []
    return (
        name,
        _spread(away(runs)),
        _spread(away_in_all(runs)),
        _spread(without_set(runs)),
        _spread([run.wall_seconds for run in runs]),
        _calls(runs, KUBERNETES) if name in _CLIENTS else "-",
        _calls(runs, VCENTER) if name in _CLIENTS else "-",
        _spread([one.cpu_seconds for one in used]),
        _spread([one.peak_megabytes for one in used]),
    )


def _calls(runs: Sequence[Run], apis: Sequence[str]) -> str:
    counts = [sum(call.api in apis for call in run.calls) for run in runs]
    found = Spread.of(counts)
    return f"{found.median:.0f} ({found.least:.0f}-{found.most:.0f})" if found else "-"


def _spread(values: Sequence[float]) -> str:
    found = Spread.of(values)
    return str(found) if found else "-"


def _phases(found: Found) -> str:
    rows: Rows = [("MEDIAN SECONDS", *map(str.upper, PHASES))]
    for method in METHODS:
        if method in found.runs:
            medians = phases(found.runs[method]).values()
            rows.append((method, *("-" if each is None else f"{each:.2f}" for each in medians)))
    return columns(rows)


def _verbs(found: Found) -> str:
    """Of the first run of each that is written down."""
    lines = []
    for method in _CLIENTS:
        for run in found.runs.get(method, [])[:1]:
            counted = _by_verb(run)
            lines += [f"{method}, {api}: {verbs}" for api, verbs in counted.items()]
    return "\n".join(["CALLS OF THE FIRST RUN", *lines])


def _by_verb(run: Run) -> dict[str, str]:
    return {
        api: ", ".join(f"{verb} {count}" for verb, count in verbs.items())
        for api, verbs in by_verb(run.calls).items()
    }


def _sizes(found: Found) -> str:
    rows: Rows = [("CALLS PER REPLICA, SET OF", "KUBERNETES", "VCENTER")]
    vcenter = calls_by_size(found, VCENTER)
    for size, calls in calls_by_size(found, KUBERNETES).items():
        rows.append((str(size), f"{calls:.1f}", f"{vcenter[size]:.1f}"))
    return columns(rows)


def _small_things(found: Found) -> str:
    rows: Rows = [("ALSO", "FOUND", "TO REACH")]
    for option, took in found.starts.items():
        rows.append((f"{option}, ms (of the processor)", _start(took), "<= 150"))
    if found.waiting:
        rows.append(("CPU in a soak, % of a core", f"{found.waiting.soak:.2f}", "<= 2"))
        stopped = found.waiting.stopped_syncer
        rows.append(("CPU while the syncer stands still, %", f"{stopped:.2f}", "<= 2"))
    rows.append(("load of the machine before each run", _spread(found.loads), ""))
    return columns(rows)


def _start(took: Mapping[str, int]) -> str:
    return f"{took['wall']} ({took['processor']})"


def _at_once(found: Found, options: Options) -> list[str]:
    """Nothing unless it was asked for."""
    rows: Rows = [(f"OF {options.many} REPLICAS AT ONCE", "WALL SECONDS", "SPEED-UP")]
    ups = speed_ups(found)
    for number, run in found.at_once.items():
        rows.append((str(number), f"{run.wall_seconds:.0f}", f"{ups.get(number, 0):.2f}"))
    return [columns(rows)] if found.at_once else []


def _ratios(found: Found, delays: Mapping[str, float], options: Options) -> str:
    values = ratios(found, delays, options)
    rows: Rows = [("RATIO", "FOUND", "TO REACH", "", "WHAT")]
    for goal in GOALS:
        value = values[goal.ratio]
        wanted = f"{'>=' if goal.least else '<='} {goal.limit:g}"
        told = "not measured" if value is None else f"{value:.3f}"
        verdict = "" if value is None else ("reached" if goal.reached(value) else "NOT reached")
        rows.append((goal.ratio, told, wanted, verdict, goal.what))
    return columns(rows)


def _delays(delays: Mapping[str, float]) -> str:
    rows: Rows = [("PLAYED DELAY", "SECONDS", "WHAT", "SOURCE OF THE DEFAULT")]
    rows += [(each.name, f"{delays[each.name]:g}", each.what, each.source) for each in TABLE]
    return columns(rows)
