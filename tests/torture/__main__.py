"""`python -m tests.torture`: kills and faults the tool at each of its requests.

Every case runs on a StatefulSet of its own in a lab of its own; what is there in
the end is compared with the end of an undisturbed run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.torture import case, ledger, matrix
from tests.torture.case import Case
from tests.torture.ledger import Ledger
from tests.torture.outcome import Outcome, Verdict
from tests.torture.runner import Runner, quick_lab, runner
from tests.torture.scenario import SCENARIOS

# The audit logs grow with each case, and what is left of it, and slow all others down.
CASES_PER_LAB = 240
STOPPED = 130


def main() -> int:
    """Print a line for each case; 1 if any failed, 130 if it was stopped before the last."""
    options = _parser().parse_args()
    # The lab's processes outlive this one unless it ends in an orderly way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        try:
            return Torture(options, Path(options.folder or folder)).run()
        except KeyboardInterrupt:
            print("stopped; with --json, the same command goes on from here", flush=True)
            return STOPPED


class Torture:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        beside = Path(f"{options.json}.progress") if options.json else folder / "progress"
        self.ledger = Ledger(beside, ledger.tool(), ledger.judge())

    def run(self) -> int:
        """Try the cases that are asked for, a lab after the other."""
        print(
            f"commit {ledger.commit()}, tool {ledger.tool()}, judge {ledger.judge()}, "
            f"seed {self.options.seed}",
            flush=True,
        )
        labs = count(1)
        if self._missing():
            with self._lab(next(labs)) as running:
                running.learn(self._missing())
                self.ledger.learn(running.learned.values())
                self._tell_sizes()
                running.run(self._waiting()[:CASES_PER_LAB])
        else:
            self._tell_sizes()
        while waiting := self._waiting():
            with self._lab(next(labs)) as running:
                running.run(waiting[:CASES_PER_LAB])
        return self._report()

    @contextmanager
    def _lab(self, number: int) -> Iterator[Runner]:
        folder, options = self.folder / f"lab-{number}", self.options
        with quick_lab(folder) as lab, runner(lab, folder, options.jobs, self._tell) as running:
            running.learned = self.ledger.baselines.copy()
            yield running
        if not options.folder:
            shutil.rmtree(folder)

    def _missing(self) -> list[str]:
        return [each for each in self._scenarios() if each not in self.ledger.baselines]

    def _scenarios(self) -> Sequence[str]:
        if self.options.case:
            return sorted({each.scenario for each in self.options.case})
        return self.options.scenario or list(SCENARIOS)

    def _waiting(self) -> list[Case]:
        wanted = self._cases()
        waiting = [each for each in wanted if str(each) not in self.ledger.outcomes]
        print(f"{len(waiting)} of {len(wanted)} cases to go", flush=True)
        return waiting

    def _cases(self) -> list[Case]:
        options = self.options
        if options.case:
            return list(options.case)
        found = [each for scenario in self._scenarios() for each in self._matrix(scenario)]
        return matrix.shard(matrix.sample(found, options.cases, options.seed), *options.shard)

    def _matrix(self, scenario: str) -> list[Case]:
        traffic = self.ledger.baselines[scenario].traffic
        return matrix.cases(scenario, traffic, self.options.seed)

    def _tell_sizes(self) -> None:
        for scenario in self._scenarios():
            print(f"scenario {scenario}: {len(self._matrix(scenario))} cases in all", flush=True)

    def _tell(self, outcome: Outcome) -> None:
        print(self.ledger.add(outcome).line(), flush=True)

    def _report(self) -> int:
        found = [self.ledger.outcomes[str(each)] for each in self._cases()]
        if self.options.json:
            ledger.write_json(self.options.json, self.options.seed, found)
        failed = [one for one in found if one.verdict is Verdict.FAILED]
        print("\n".join([*ledger.summary(found), f"seed {self.options.seed}"]))
        for one in failed:
            print(f"reproduce: {ledger.reproducing(one)}")
        return 1 if failed or not found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    add = parser.add_argument
    add("--cases", type=int, default=0, help="so many cases, drawn by SEED [default: all]")
    add("--seed", default=_random_seed(), help="of every choice [default: a new one]")
    add("--json", type=Path, help="write every case here; its progress is kept beside it")
    add("--shard", type=_shard, default=(1, 1), metavar="I/N", help="one part of N only")
    add("--jobs", type=int, default=2, help="cases side by side [default: 2]")
    add("--scenario", action="append", choices=list(SCENARIOS), help="only this one")
    add("--case", action="append", type=case.parse, help="only this case, by its name")
    add("--folder", type=Path, help="keep labs and working directories here")
    return parser


def _random_seed() -> str:
    return os.environ.get("SEED") or str(random.SystemRandom().randrange(1 << 32))


def _shard(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not 1 <= int(number) <= int(of):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with 1 <= I <= N")
    return int(number), int(of)


if __name__ == "__main__":
    sys.exit(main())
