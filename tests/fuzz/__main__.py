"""`python -m tests.fuzz`: StatefulSets at random; no false alarm, no false pass, nothing lost.

Every set stands in a namespace of its own in a lab of its own. A set is one seed: those of
a run are SEED, SEED+1 and so on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.attempt import MIGRATED, REFUSED, Outcome, attempt
from tests.lab.labkit import Lab
from tests.torture.ledger import commit
from tests.torture.runner import quick_lab

# vCenter's catalog and the audit logs grow with each set, and slow all others down.
SETS_PER_LAB = 80


def main() -> int:
    """Print a line for each set; 1 if any failed."""
    options = _parser().parse_args()
    # The lab's processes outlive this one unless it ends in an orderly way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"commit {commit()}, seed {options.seed}", flush=True)
    seeds = range(options.seed, options.seed + options.sets)
    found: list[Outcome] = []
    for first in range(0, len(seeds), SETS_PER_LAB):
        found += _in_a_lab(seeds[first : first + SETS_PER_LAB], options.jobs)
    if options.json:
        content = {"commit": commit(), "sets": [one.record() for one in found]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    print("\n".join(summary(found)))
    return 1 if any(one.problems for one in found) or not found else 0


def tried(lab: Lab, folder: Path, seeds: Iterable[int], jobs: int) -> list[Outcome]:
    """Try the sets of these seeds, so many side by side."""
    return _tried(lab, folder, seeds, jobs, lambda _: None)


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """How many went which way, and how each failure is had again."""
    good = [one.ended for one in outcomes if not one.problems]
    counts = f"passed and migrated {good.count(MIGRATED)} / refused {good.count(REFUSED)}"
    return [
        f"sets tried {len(outcomes)} / {counts}",
        *(
            f"reproduce: make fuzz SETS=1 SEED={one.seed}    # {one.problems[0].splitlines()[0]}"
            for one in outcomes
            if one.problems
        ),
    ]


def _in_a_lab(seeds: Sequence[int], jobs: int) -> list[Outcome]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        with quick_lab(folder / "lab") as lab:
            return _tried(lab, folder, seeds, jobs, _tell)
    finally:
        shutil.rmtree(folder)


def _tell(outcome: Outcome) -> None:
    print(outcome.line(), flush=True)


def _tried(
    lab: Lab, folder: Path, seeds: Iterable[int], jobs: int, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    def one(seed: int) -> Outcome:
        outcome = attempt(lab, folder, seed)
        tell(outcome)
        return outcome

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(one, seeds))
    finally:
        # Interrupted, what stands is finished and no other begun.
        pool.shutdown(cancel_futures=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    add = parser.add_argument
    add("--sets", type=int, default=500, help="how many [default: 500]")
    add("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="the first's")
    add("--json", type=Path, help="write every set here")
    add("--jobs", type=int, default=2, help="sets side by side [default: 2]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
