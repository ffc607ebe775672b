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

# As many on a busy machine as on an idle one, where they take two minutes and a half.
CASES = 24
# Nothing is begun after that; only a hang would need it.
SECONDS = 900
# Small ones, so that there is time for many cases; two of them for each commit.
SCENARIOS = ("one", "fcd", "retain", "two-run")

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


def drawn(running: Runner, scenarios: list[str], chosen: str) -> list[Case]:
    found = [
        case
        for each in scenarios
        for case in matrix.cases(each, running.learned[each].traffic, chosen)
        if not any(stage.strike and stage.strike.fault in SLOW for stage in case.stages)
    ]
    return matrix.sample(found, CASES, chosen)


def test_a_sample_of_kills_and_faults_is_survived(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chosen = seed()
    scenarios = random.Random(chosen).sample(SCENARIOS, 2)
    deadline = time.monotonic() + SECONDS
    with runner(lab, tmp_path, 2, lambda _: None) as running:
        running.learn(scenarios)
        running.deadline = deadline
        found = running.run(drawn(running, scenarios, chosen))
    record_property("torture", f"{', '.join(summary(found))}; of {scenarios}, SEED={chosen}")
    failed = [one for one in found if one.verdict is Verdict.FAILED]
    told = [f"{one.line()}\n    reproduce: {reproducing(one)}" for one in failed]
    assert not failed, "\n".join([f"SEED={chosen}", *told])
    assert any(one.verdict is Verdict.PASSED for one in found)
