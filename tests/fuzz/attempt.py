"""One set: preflight says yes and it is migrated whole, or says no for a reason that is there."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from lab.client import Object
from lab.waiting import until
from tests.fuzz import draw
from tests.fuzz.misfeatures import ROLL_OUTS, TABLE, Misfeature, not_ready, settled
from tests.lab.every_migration import EveryMigration
from tests.lab.labkit import Lab, ToolRun, Trial
from tests.lab.migration import Migration, migrate

MIGRATED, REFUSED = "migrated", "refused"
REFUSING = ("blocker", "needs acceptance")
# Not true of a set whose pods run an older revision on purpose.
OF_ONE_REVISION = "test_keeps_the_controller_revisions"


@dataclass(slots=True)
class Outcome:
    """What came of a seed; it failed if there is a problem."""

    seed: int
    planted: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    ended: str = ""
    named: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0
    manifest: Object = field(default_factory=dict)

    def line(self) -> str:
        """The verdict and what it is about, on one line."""
        verdict = "FAILED" if self.problems else self.ended
        about = ", ".join(self.planted) or "nothing planted"
        named = f" -> {', '.join(self.named)}" if self.named else ""
        told = "".join(f"\n    {problem}" for problem in self.problems)
        return f"{verdict:8} {self.seconds:5.1f} s  seed {self.seed}: {about}{named}{told}"

    def record(self) -> dict[str, Any]:
        return asdict(self)


def attempt(lab: Lab, folder: Path, seed: int) -> Outcome:
    """Draw a set, plant, try it, judge; what goes wrong in the harness is a failure too."""
    begun, outcome = time.monotonic(), Outcome(seed)
    try:
        _try(lab, folder, outcome)
    except Exception as error:  # noqa: BLE001 - one broken set must not end hundreds
        last = traceback.format_exc().splitlines()[-6:]
        outcome.problems += [f"the harness failed: {error!r}", *last]
    outcome.seconds = time.monotonic() - begun
    return outcome


def drawn(rng: Random) -> list[Misfeature]:
    """What is planted: mostly nothing or one thing."""
    return rng.sample(TABLE, rng.choice([0, 0, 0, 1, 1, 1, 2]))


def _try(lab: Lab, folder: Path, outcome: Outcome) -> None:
    rng = Random(f"set {outcome.seed}")
    workload = draw.workload(rng, f"fuzz-{outcome.seed}")
    planted = drawn(rng)
    accepted = sorted({one.accepts for one in planted if one.accepts and rng.random() < 0.5})
    outcome.planted, outcome.accepted = [one.name for one in planted], accepted
    outcome.manifest = workload.manifest or {}
    with Trial(lab, workload, "user", folder / workload.namespace) as trial, ExitStack() as stack:
        until("all available", lambda: settled(trial))
        for each in sorted(planted, key=_turn):
            stack.enter_context(each.planter(trial, rng))
        _judge(trial, outcome, planted)


def _turn(planted: Misfeature) -> int:
    """A roll-out ends only while nothing else is wrong; other things wait for what a set without
    a Ready pod does not do.
    """
    if planted.planter in ROLL_OUTS:
        return 0
    return 2 if planted.planter is not_ready else 1


def _judge(trial: Trial, outcome: Outcome, planted: list[Misfeature]) -> None:
    options = [word for id_ in outcome.accepted for word in ("--accept", id_)]
    preflight = trial.preflight("-o", "json", *options)
    if preflight.exit_code == 0:
        outcome.ended = MIGRATED
        outcome.problems += list(_missed(outcome, planted, set()))
        if not outcome.problems:
            outcome.problems += _migrated(trial, outcome, options)
    elif preflight.exit_code == 3:
        outcome.ended = REFUSED
        outcome.named = sorted({one["id"] for one in refusals(preflight)})
        outcome.problems += list(_missed(outcome, planted, set(outcome.named)))
        outcome.problems += list(_unexplained(outcome, planted, preflight))
    else:
        outcome.problems.append(f"preflight: {preflight}")


def refusals(run: ToolRun) -> list[Object]:
    """The findings of checks that said no themselves, not of those that could not look
    because of others.
    """
    return [
        one
        for one in json.loads(run.stdout)["findings"]
        if one["severity"] in REFUSING and one["message"] != "it was not looked at yet"
    ]


def _missed(outcome: Outcome, planted: list[Misfeature], named: set[str]) -> Iterator[str]:
    """False passes."""
    for one in planted:
        if one.forbids and one.accepts not in outcome.accepted and not one.ids & named:
            yield f"false pass: {one.name} is planted, and none of {sorted(one.ids)} refuses it"


def _unexplained(outcome: Outcome, planted: list[Misfeature], run: ToolRun) -> Iterator[str]:
    """False alarms."""
    explained = frozenset[str]().union(*(one.ids for one in planted))
    accepted = set(outcome.accepted)
    if false := sorted(set(outcome.named) - explained):
        said = [
            f"{one['subject']}: {one['message']}" for one in refusals(run) if one["id"] in false
        ]
        yield f"false alarm: {', '.join(false)} refuses, and nothing planted explains it: {said}"
    elif not set(outcome.named) - accepted:
        yield f"false alarm: all that was found was accepted: {run}"


def _migrated(trial: Trial, outcome: Outcome, options: list[str]) -> list[str]:
    """What is not as it has to be after the migration."""
    try:
        done = migrate(trial, *options)
    except AssertionError as error:
        return [f"the migration failed: {error}"]
    skipped = OF_ONE_REVISION if "OnDelete with old pods" in outcome.planted else ""
    judges = [each for each in dir(EveryMigration) if each.startswith("test_")]
    return [told for each in judges if each != skipped and (told := _told(each, done))]


def _told(judge: str, done: Migration) -> str:
    """What `tests/lab/every_migration.py` has to say."""
    try:
        getattr(EveryMigration(), judge)(done)
    except Exception:  # noqa: BLE001 - a judge that cannot judge is no acquittal
        return "\n    ".join([judge, *traceback.format_exc().splitlines()[-4:]])
    return ""
