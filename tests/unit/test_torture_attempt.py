"""A case passes only if every run ends as it must and leads to the right state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.inspection import Report
from lab.timeline import Sample
from tests.lab.labkit import ToolRun
from tests.lab.migration import World
from tests.torture import attempt as attempts
from tests.torture import bench
from tests.torture.attempt import Attempt, Ends
from tests.torture.bench import Patient
from tests.torture.case import Stage, parse
from tests.torture.endstate import State
from tests.torture.meter import Meter
from tests.torture.outcome import StageRun, Verdict, verdict_of
from tests.torture.signature import Signature

WRITE = Signature("kubernetes", "delete", "pods", "web-0", kind="w")
ORIGINAL: State = {"PersistentVolume pv-of-data-web-0": {"spec": "in-tree"}}
MIGRATED: State = {"PersistentVolume pv-of-data-web-0": {"spec": "CSI"}}
KILL = "one:all@w1=kill-before"
FAULT = "one:all@w1=503,resume"


class Scripted:
    """Ends each run with the next exit code; what is struck is struck unless it ends with 0."""

    def __init__(self, codes: list[int], state: State, **report: Any) -> None:
        self.codes, self.end = codes, state
        self.ran: list[str] = []
        self.elsewhere = 0
        kept = {"second_writers": 0, "io_errors": 0, "broken_starts": 0, "disks_deleted": []}
        lost = Report(**{"claims": [], **kept, **report})
        self.samples = [Sample(0, frozenset({"web-0", "web-1"}))]
        self.trial = SimpleNamespace(
            report=lambda: lost,
            observer=SimpleNamespace(samples=self.samples),
            workload=SimpleNamespace(pod_names=["web-0", "web-1"]),
        )

    def run(self, stage: Stage) -> StageRun:
        self.ran.append(stage.command)
        code = self.codes.pop(0)
        meter = Meter(stage.strike, WRITE if stage.strike and code != 0 else None)
        return StageRun(stage, ToolRun(code, "", "", 0.1), meter)

    def begin_elsewhere(self) -> None:
        self.elsewhere += 1

    def state(self) -> State:
        return self.end

    def world(self) -> World:
        return World({})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "STILL_SECONDS", 0)
    monkeypatch.setattr(attempts, "commands", lambda: frozenset({"all", "resume", "rollback"}))


def tried(case: str, patient: Scripted) -> Attempt:
    made = Attempt(cast("Patient", patient), parse(case), Ends(ORIGINAL, MIGRATED))
    made.everything()
    return made


def verdict(made: Attempt) -> Verdict:
    return verdict_of(made.case, made.done, made.problems, untried=made.untried)


def test_a_killed_run_that_is_taken_up_passes() -> None:
    made = tried(f"{KILL},resume", Scripted([-9, 0], MIGRATED))
    assert (made.problems, verdict(made)) == ([], Verdict.PASSED)


@pytest.mark.parametrize(
    ("case", "codes", "end"),
    [
        (f"{KILL},resume", [-9, 5], MIGRATED),
        (f"{KILL},resume", [-9, 6], MIGRATED),
        (f"{KILL},resume", [-9, 7], MIGRATED),
        (f"{KILL},resume", [-9, 0], ORIGINAL),
        (f"{KILL},rollback", [-9, 0], MIGRATED),
        (f"{KILL},resume", [5, 0], MIGRATED),
        (FAULT, [6], MIGRATED),
        (FAULT, [7], MIGRATED),
        (FAULT, [5, 5], MIGRATED),
    ],
)
def test_a_wrong_exit_code_or_a_wrong_end_fails(case: str, codes: list[int], end: State) -> None:
    assert verdict(tried(case, Scripted(codes, end))) is Verdict.FAILED


def test_a_fault_that_stops_the_run_is_followed_by_resume() -> None:
    patient = Scripted([5, 0], MIGRATED)
    assert verdict(tried(FAULT, patient)) is Verdict.PASSED
    assert patient.ran == ["all", "resume"]


def test_what_was_never_struck_is_not_survived() -> None:
    patient = Scripted([0], MIGRATED)
    assert verdict(tried(f"{KILL},resume", patient)) is Verdict.NOT_REACHED
    assert patient.ran == ["all"]


@pytest.mark.parametrize(("case", "codes"), [(FAULT, [8]), (f"{KILL},resume", [-9, 2])])
def test_who_says_that_nothing_was_changed_must_be_right(case: str, codes: list[int]) -> None:
    patient = Scripted(codes, MIGRATED)
    made = tried(case, patient)
    assert "as if nothing was changed" in made.problems[0]
    assert patient.elsewhere == 0


def test_where_nothing_was_changed_a_migration_begins_anew() -> None:
    patient = Scripted([-9, 2, 0], ORIGINAL)
    made = tried(f"{KILL},resume", patient)
    assert (patient.ran, patient.elsewhere) == (["all", "resume", "all"], 1)
    assert any("spec" in problem for problem in made.problems)  # the script never gets there


def test_a_dead_runs_lease_may_wait_for_the_next_migration() -> None:
    held = {**ORIGINAL, "Lease csi-migration-web": {}}
    patient = Scripted([-9, 2, 0], held)
    tried(f"{KILL},resume", patient)
    assert patient.ran == ["all", "resume", "all"]
    assert verdict(tried(f"{KILL},rollback", Scripted([-9, 2], held))) is Verdict.FAILED


def test_nothing_to_take_back_is_fine() -> None:
    patient = Scripted([-9, 2], ORIGINAL)
    assert verdict(tried(f"{KILL},rollback", patient)) is Verdict.PASSED


def test_lost_bytes_fail_whatever_else_is_right() -> None:
    made = tried(f"{KILL},resume", Scripted([-9, 0], MIGRATED, second_writers=1))
    assert made.problems == ["second writers: 1"]


def test_two_replicas_away_at_once_fail() -> None:
    patient = Scripted([-9, 0], MIGRATED)
    patient.samples.append(Sample(1, frozenset()))
    made = tried(f"{KILL},resume", patient)
    assert made.problems == ["2 replicas were away at the same time"]


def test_without_the_command_only_the_bytes_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "commands", lambda: frozenset({"all"}))
    assert verdict(tried(f"{KILL},resume", Scripted([-9], ORIGINAL))) is Verdict.PARTLY
    lost = Scripted([-9], ORIGINAL, io_errors=1)
    assert verdict(tried(f"{KILL},resume", lost)) is Verdict.FAILED
