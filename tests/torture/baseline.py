"""What an undisturbed migration of a scenario asks for, and where it begins and ends."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from lab.waiting import until
from tests.torture.attempt import DONE, Ends
from tests.torture.bench import Bench, Patient
from tests.torture.case import Case, Stage
from tests.torture.endstate import State
from tests.torture.matrix import Traffic
from tests.torture.signature import Signature
from tests.torture.soundness import lost, misplaced

# The slowest thing that follows a pod's start: the driver's own finalizers and records.
_QUIET_SECONDS = 1.5


class Unsound(Exception):
    """Even an undisturbed migration fails, so that no case can be judged."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What all cases of a scenario are compared with."""

    scenario: str
    traffic: Traffic
    ends: Ends

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def from_record(record: dict[str, Any]) -> Baseline:
    """The baseline that was recorded."""
    writes = [Signature(**each) for each in record["traffic"]["writes"]]
    traffic = Traffic(**record["traffic"] | {"writes": writes})
    return Baseline(record["scenario"], traffic, Ends(**record["ends"]))


def learn(bench: Bench, scenario: str) -> Baseline:
    """Run one undisturbed migration.

    Raises:
        Unsound: it did not end well.
    """
    case = Case(scenario, (Stage("all"),))
    with bench.trial(case) as patient:
        original = _quiet(patient)
        ended = patient.run(Stage("all"))
        migrated = _quiet(patient)
        wrong = [*patient.trial.report().problems(), *patient.world().marks()]
        wrong += [*misplaced(migrated), *lost(original, migrated)]
        if ended.exit_code != DONE or wrong:
            raise Unsound("\n".join([f"{case}: {ended.account()}", *wrong]))
    of = ended.meter.of
    traffic = Traffic(of("w"), len(of("r")), len(of("v")), len(of("c")))
    return Baseline(scenario, traffic, Ends(original, migrated))


def _quiet(patient: Patient) -> State:
    """The state once nothing has changed for a while."""
    last, since = patient.state(), time.monotonic()

    def is_quiet() -> bool:
        nonlocal last, since
        now = patient.state()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > _QUIET_SECONDS

    until("a quiet namespace", is_quiet)
    return last
