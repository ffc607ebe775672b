"""A sample of `python -m tests.torture`, another one with each commit.

The whole of it takes hours; so each commit tries a few minutes' worth of it.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.layout import REPOSITORY
from tests.lab.labkit import Lab
from tests.torture import matrix
from tests.torture.bench import commands
from tests.torture.case import Case
from tests.torture.fault import SLOW
from tests.torture.ledger import reproducing, summary
from tests.torture.outcome import Verdict
from tests.torture.runner import Runner, runner

# As many on a busy machine as on an idle one, where they take about three minutes.
CASES = 24
# Nothing is begun after that; only a hang would need it.
SECONDS = 900
# Small ones, so that there is time for many cases; two of them for each commit. Of those with
# three replicas and two claims each, which take several times as long, a few of one.
SMALL, LARGE = ("one", "fcd", "retain", "two-run"), ("three", "three-run", "pairs")
OF_A_LARGE_ONE = 3
# What was not begun in time, or ended before its strike, tells nothing: the rest must do.
ENOUGH = CASES // 2

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif("resume" not in commands(), reason="this tool cannot resume"),
]


def seed() -> str:
    """`SEED`, else the commit, else (in an unpacked archive) a new one."""
    asked = ["git", "rev-parse", "HEAD"]
    given = os.environ.get("SEED")
    if given:
        return given
    found = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return found.stdout.strip() or str(random.SystemRandom().randrange(1 << 32))


def drawn(running: Runner, scenarios: list[str], count: int, chosen: str) -> list[Case]:
    found = [
        case
        for each in scenarios
        for case in matrix.cases(each, running.learned[each].traffic, chosen)
        if not any(stage.strike and stage.strike.fault in SLOW for stage in case.stages)
    ]
    return matrix.sample(found, count, chosen)


def test_a_sample_of_kills_and_faults_is_survived(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chosen = seed()
    chance = random.Random(chosen)
    small, large = chance.sample(SMALL, 2), [chance.choice(LARGE)]
    deadline = time.monotonic() + SECONDS
    with runner(lab, tmp_path, 2, lambda _: None) as running:
        running.learn([*small, *large])
        running.deadline = deadline
        few = drawn(running, large, OF_A_LARGE_ONE, chosen)
        found = running.run([*few, *drawn(running, small, CASES - len(few), chosen)])
    cut = f"; {CASES - len(found)} not begun in {SECONDS} s" if time.monotonic() > deadline else ""
    told = f"{', '.join(summary(found))}; of {[*small, *large]}, SEED={chosen}{cut}"
    record_property("torture", told)
    failed = [one for one in found if one.verdict is Verdict.FAILED]
    lines = [f"{one.line()}\n    reproduce: {reproducing(one)}" for one in failed]
    assert not failed, "\n".join([f"SEED={chosen}", *lines])
    assert cut or len(found) == CASES, told
    assert sum(one.verdict is Verdict.PASSED for one in found) >= ENOUGH, told
