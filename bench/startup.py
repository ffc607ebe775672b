"""`python -m bench.startup`: how long `--help` and `--version` take, with compiled bytecode."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from bench import evidence
from bench.columns import Rows, columns
from bench.measuring import run
from lab.demo import tool

LIMIT = 150
_SOURCE = Path(__file__).parents[1] / "src"
_COMMANDS = (("--version",), ("--help",), ("preflight", "--help"), ("rolling-migration", "--help"))


def main() -> int:
    """Print medians in milliseconds, of wall and processor, by command."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    evidence.add_option(parser)
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(_SOURCE)], check=True)
    found = {" ".join(each): milliseconds(each, options.times) for each in _COMMANDS}
    printed = text(found)
    print(printed)
    if options.json:
        evidence.keep(options.json, {"commands": found}, printed)
    return 0


def text(found: dict[str, dict[str, int]]) -> str:
    """A row a command."""
    rows: Rows = [("START, MILLISECONDS", "WALL", "PROCESSOR", "TO REACH", "")]
    for command, took in found.items():
        verdict = "reached" if took["wall"] <= LIMIT else "NOT reached"
        rows.append((command, str(took["wall"]), str(took["processor"]), f"<= {LIMIT}", verdict))
    return columns(rows)


def milliseconds(arguments: tuple[str, ...], times: int) -> dict[str, int]:
    """Medians, of `wall` and `processor`."""
    command = [str(tool()), *arguments]
    run(command)  # the files are read from disk once
    costs = [run(command) for _ in range(times)]
    wall = statistics.median(cost.seconds for cost in costs)
    processor = statistics.median(cost.processor_seconds for cost in costs)
    return {"wall": round(1000 * wall), "processor": round(1000 * processor)}


if __name__ == "__main__":
    sys.exit(main())
