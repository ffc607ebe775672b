"""The figures as text: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.away import OWN_PHASES, PHASES
from bench.bed import Run
from bench.columns import Rows, columns, verdicts
from bench.delays import TABLE, of_the_driver
from bench.detail import growth_table, replicas, trial_table
from bench.experiment import Found, Options
from bench.figures import GOALS, Spread
from bench.methods import CLIENTS, METHODS, REPLICA, WHOLE_RUN
from bench.result import (
    KUBERNETES,
    VCENTER,
    away,
    away_in_all,
    floor_seconds,
    marginal_seconds,
    own_seconds,
    phases,
    ratios,
    speed_ups,
    without_set,
)

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


def text(found: Found, delays: Mapping[str, float], options: Options) -> str:
    """All tables, one below the other."""
    parts = [
        _methods(found, delays, options),
        _phases(found),
        *trial_table(found),
        replicas(found),
        growth_table(found),
        *_at_once(found, options),
        _small_things(found, options),
        _ratios(found, delays, options),
        _delays(delays),
    ]
    return "\n\n".join(parts)


def _methods(found: Found, delays: Mapping[str, float], options: Options) -> str:
    rows: Rows = [_HEADS]
    rows += [_method(name, found.runs[name]) for name in METHODS if name in found.runs]
    lowest = floor_seconds(found, delays, options)
    driver = of_the_driver(delays, options.claims[0])
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
        _calls(runs, KUBERNETES) if name in CLIENTS else "-",
        _calls(runs, VCENTER) if name in CLIENTS else "-",
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
    heads = [name.upper() + "*" * (name in OWN_PHASES) for name in PHASES]
    rows: Rows = [("MEDIAN SECONDS", *heads, "* IN ALL")]
    for method in METHODS:
        if method in found.runs:
            medians = phases(found.runs[method]).values()
            each_of_them = [*medians, own_seconds(found.runs[method])]
            rows.append((method, *("-" if one is None else f"{one:.2f}" for one in each_of_them)))
    return f"{columns(rows)}\n{_WHOSE}"


_WHOSE = (
    "* what whoever migrates takes; the rest are waits for the cluster, its driver and vCenter."
)


def _small_things(found: Found, options: Options) -> str:
    rows: Rows = [("ALSO", "FOUND", "TO REACH")]
    for option, took in found.starts.items():
        rows.append((f"{option}, ms (of the processor)", _start(took), "<= 150"))
    for size, waiting in found.waiting.items():
        of = f"% of a core, set of {size}"
        rows.append((f"CPU in a soak, {of}", f"{waiting.soak:.2f}", "<= 2"))
        stopped = waiting.stopped_syncer
        rows.append((f"CPU while the syncer stands still, {of}", f"{stopped:.2f}", "<= 2"))
    rows += _large(found, options)
    rows.append(("load of the machine before each run", _spread(found.loads), ""))
    return columns(rows)


def _large(found: Found, options: Options) -> Rows:
    """What a set of one takes, and each replica more of the large one."""
    more = marginal_seconds(found, options.large)
    if more is None:
        return []
    ones = [run.wall_seconds for run in found.by_size[1]]
    each_more = f"{more:.1f} ({more / median(ones):.3f} of that)"
    return [
        ("wall seconds of a set of one", _spread(ones), ""),
        ("each replica more", each_more, ""),
    ]


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
    return verdicts(GOALS, values)


def _delays(delays: Mapping[str, float]) -> str:
    rows: Rows = [("PLAYED DELAY", "SECONDS", "WHAT", "SOURCE OF THE DEFAULT")]
    rows += [(each.name, f"{delays[each.name]:g}", each.what, each.source) for each in TABLE]
    return columns(rows)
