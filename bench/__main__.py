"""`python -m bench`: the tool beside the floor, beside the runbook and beside copying."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import evidence, experiment, runbook
from bench.bed import Run, bed
from bench.delays import given
from bench.experiment import Found, Options
from bench.methods import METHODS
from bench.picture import picture
from bench.result import as_json
from bench.table import text
from bench.usage import CommandFailed
from lab.processes import LabError
from lab.progress import say


def main() -> int:
    """Measure, print the tables, write the files that were asked for."""
    asked = _parser().parse_args()
    # The lab has to be stopped also then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if missing := runbook.missing():
        print(f"error: the runbook needs {' and '.join(missing)} on the PATH", file=sys.stderr)
        return 1
    try:
        return _measure(asked)
    except (CommandFailed, LabError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _measure(asked: argparse.Namespace) -> int:
    begun = time.monotonic()
    options = Options(
        asked.runs,
        asked.set,
        asked.claims,
        asked.trials,
        asked.soak,
        asked.size,
        asked.sizes,
        asked.replicas,
        asked.crowd,
        asked.at_once,
        asked.many,
    )
    starts = experiment.starts()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        bed(Path(folder), asked.delays) as test_bed,
    ):
        found = experiment.measure(test_bed, options)
    found.starts = starts
    printed = text(found, asked.delays, options)
    print(printed)
    _write(asked, as_json(found, asked.delays, options), printed, found)
    say(f"all in {time.monotonic() - begun:.0f} s")
    return 0


def _write(
    asked: argparse.Namespace, content: dict[str, object], printed: str, found: Found
) -> None:
    beside = asked.json.with_suffix(".svg") if asked.json else None
    if asked.json:
        evidence.keep(asked.json, content, printed)
    if drawn := asked.picture or beside:
        drawn.write_text(picture({method: _usual(found.runs[method]) for method in METHODS}))


def _usual(runs: list[Run]) -> Run:
    """The one whose wall time is the median, of an even number the quicker one."""
    return sorted(runs, key=lambda run: run.wall_seconds)[(len(runs) - 1) // 2]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in filter(None, text.split(",")))


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--runs", type=int, default=usual.runs, help="of each method")
    add("--set", type=int, default=usual.replicas, help="replicas of each set")
    add("--claims", type=_numbers, default=usual.claims, help="of each replica; more: of trials")
    add("--trials", type=int, default=usual.trials, help="of the runbook's forms and the tool")
    add("--soak", type=float, default=usual.soak, help="the tool's --soak-seconds")
    add("--size", type=int, default=usual.mebibytes, help="MiB that `copy` copies per volume")
    add("--sizes", type=_numbers, default=usual.sizes, help="of further sets: calls per replica")
    add("--replicas", type=int, default=usual.large, help="of one large set; about 12 s each")
    add(
        "--crowd", type=int, default=usual.crowd, help="pods, attachments, VMs of a crowded cluster"
    )
    add("--at-once", type=_numbers, default=usual.at_once, help="--max-unavailable, run by run")
    add("--many", type=int, default=usual.many, help="replicas of the sets of --at-once")
    add("--delays", type=given, default=given(""), help="NAME=SECONDS,… in place of the table's")
    evidence.add_option(parser)
    add("--picture", type=Path, help="write the timeline there (default: beside the JSON)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
