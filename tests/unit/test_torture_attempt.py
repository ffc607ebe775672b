"""A case passes only if every run ends as it must and leads to the right state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.inspection import Report
from lab.timeline import Sample
from tests.lab.labkit import ToolRun
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
OTHER_WRITE = Signature("vcenter", "RegisterDisk", "", "0.vmdk", kind="w")
ORIGINAL: State = {"PersistentVolume pv-of-data-web-0": {"spec": "in-tree"}}
MIGRATED: State = {"PersistentVolume pv-of-data-web-0": {"spec": "CSI"}}
KILL = "one:all@w1=kill-before"
FAULT = "one:all@w1=503,resume"


class Scripted:
    """Ends each run with the next exit code; what is struck is struck unless it ends with 0."""

    def __init__(self, codes: list[int], state: State, **report: Any) -> None:
        self.codes, self.end = codes, state
        self.ran: list[str] = []
        self.says, self.struck = "", WRITE
        self.writes: list[Signature] = []
        self.stands = [{"StatefulSet web": "1"}]
        self.elsewhere = 0
        self.scenario = SimpleNamespace(at_once=1)
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
        meter = Meter(stage.strike, self.struck if stage.strike and code != 0 else None)
        meter.seen += self.writes
        return StageRun(stage, ToolRun(code, "", self.says, 0.1), meter)

    def begin_elsewhere(self) -> None:
        self.elsewhere += 1

    def let_go(self) -> None:
        """Nothing is held."""

    def state(self) -> State:
        return self.end

    def standing(self) -> dict[str, str]:
        return self.stands.pop(0) if len(self.stands) > 1 else self.stands[0]


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


def test_a_pod_that_is_deleted_again_for_nothing_fails() -> None:
    patient = Scripted([5, 0], MIGRATED)
    patient.struck, patient.writes = OTHER_WRITE, [WRITE]
    assert tried("one:all@w2=503,resume", patient).problems == ["web-0 was deleted 2 times"]


@pytest.mark.parametrize(("at_once", "problems"), [(1, ["web-0 was deleted 2 times"]), (2, [])])
def test_of_several_that_were_only_stopped_the_set_makes_some_again(
    at_once: int, problems: list[str]
) -> None:
    patient = Scripted([-9, 0], MIGRATED)
    patient.scenario.at_once = at_once
    patient.struck, patient.writes = OTHER_WRITE, [WRITE]
    assert tried(f"{KILL},resume", patient).problems == problems


def test_a_pod_that_is_given_back_for_no_reason_fails() -> None:
    patient = Scripted([0, 0], ORIGINAL)
    patient.writes = [WRITE, WRITE]
    patient.says = "web-0 was not migrated; it runs again on its in-tree volumes."
    assert "web-0 was deleted 4 times" in tried("one:all,rollback", patient).problems


def test_a_pod_that_a_run_has_given_back_may_be_deleted_again() -> None:
    patient = Scripted([5, 0], MIGRATED)
    patient.struck, patient.writes = OTHER_WRITE, [WRITE]
    patient.says = "web-0 was not migrated; it runs again on its in-tree volumes."
    assert verdict(tried("one:all@w2=503,resume", patient)) is Verdict.PASSED


def test_what_was_never_struck_is_not_survived() -> None:
    patient = Scripted([0], MIGRATED)
    assert verdict(tried(f"{KILL},resume", patient)) is Verdict.NOT_REACHED
    assert patient.ran == ["all"]


@pytest.mark.parametrize("codes", [[1], [5, 1]])
def test_who_just_fails_does_not_say_that_nothing_was_changed(codes: list[int]) -> None:
    assert verdict(tried(f"{FAULT[:-7]},resume@w1=503,resume", Scripted(codes, ORIGINAL))) is (
        Verdict.FAILED
    )


def test_a_traceback_fails_whatever_else_is_right() -> None:
    patient = Scripted([5, 0], MIGRATED)
    patient.says = "Traceback (most recent call last):"
    made = tried(FAULT, patient)
    assert made.problems == ["all@w1=503: a traceback in its talk"]


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


def test_a_fault_may_end_what_takes_up_if_nothing_was_changed() -> None:
    case = f"{KILL},resume@w1=401,resume"
    patient = Scripted([-9, 8, 0], MIGRATED)
    assert verdict(tried(case, patient)) is Verdict.PASSED
    assert patient.ran == ["all", "resume", "resume"]
    changed = Scripted([-9, 8, 0], MIGRATED)
    changed.stands = [{"StatefulSet web": "1"}, {"StatefulSet web": "2"}]
    made = tried(case, changed)
    assert "as if nothing was changed" in made.problems[0]
    assert verdict(made) is Verdict.FAILED


def test_one_replica_that_came_back_stands_as_at_the_beginning() -> None:
    claim, other = "PersistentVolumeClaim data-web-1", "PersistentVolumeClaim data-web-0"
    ends = Ends({claim: {"at": 1}, other: {"at": 1}}, {claim: {"at": 2}, other: {"at": 2}})
    for state, right in (
        ({claim: {"at": 1}, other: {"at": 2}}, True),
        ({claim: {"at": 1}, other: {"at": 1}}, False),
        ({claim: {"at": 2}, other: {"at": 2}}, False),
    ):
        case = parse("three:all,rollback-1")
        made = Attempt(cast("Patient", Scripted([0, 0], state)), case, ends)
        made.everything()
        assert (verdict(made) is Verdict.PASSED) is right


def test_one_replica_does_not_come_back_over_another_that_is_half_way() -> None:
    case = f"{KILL.replace('one', 'three')},rollback-1,resume"
    for says, right in (("web-0: left half-way, and not named in --replica", True), ("", False)):
        patient = Scripted([-9, 6, 0], MIGRATED)
        patient.says = says
        assert (verdict(tried(case, patient)) is Verdict.PASSED) is right
    whole = Scripted([0, 6, 0], MIGRATED)
    whole.says = "not named in --replica"
    assert verdict(tried("three:all,rollback-1,resume", whole)) is Verdict.FAILED


def test_what_was_taken_back_cannot_be_resumed() -> None:
    patient = Scripted([0, 0, 2, 0], ORIGINAL)
    made = tried("one:all,rollback,resume", patient)
    assert patient.ran == ["all", "rollback", "resume", "all"]
    assert made.problems  # the script never gets there


def test_who_holds_the_fields_counts_at_either_end() -> None:
    held: State = {"holders of StatefulSet web": {"tool Update": ["f:spec"]}}
    assert verdict(tried(f"{KILL},rollback", Scripted([-9, 0], ORIGINAL | held))) is Verdict.FAILED
    assert verdict(tried(f"{KILL},resume", Scripted([-9, 0], MIGRATED | held))) is Verdict.FAILED


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


@pytest.mark.parametrize(
    ("case", "codes", "deletions", "right"),
    [
        (f"{KILL},resume", [-9, 0], 1, True),
        (f"{KILL},resume", [-9, 0], 2, False),
        (f"{KILL},rollback,resume", [-9, 0, 0], 1, True),
    ],
)
def test_a_pod_is_replaced_once_for_each_way_that_the_set_takes(
    case: str, codes: list[int], deletions: int, right: bool
) -> None:
    """In this script each run deletes it, and the first one's deletion is struck."""
    patient = Scripted(codes, MIGRATED)
    patient.writes = [WRITE] * deletions
    assert (verdict(tried(case, patient)) is Verdict.PASSED) is right


def test_as_many_may_be_away_as_are_swapped_at_once() -> None:
    patient = Scripted([-9, 0], MIGRATED)
    patient.scenario = SimpleNamespace(at_once=2)
    patient.samples.append(Sample(1, frozenset()))
    assert tried(f"{KILL},resume", patient).problems == []


def test_without_the_command_only_the_bytes_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "commands", lambda: frozenset({"all"}))
    assert verdict(tried(f"{KILL},resume", Scripted([-9], ORIGINAL))) is Verdict.PARTLY
    lost = Scripted([-9], ORIGINAL, io_errors=1)
    assert verdict(tried(f"{KILL},resume", lost)) is Verdict.FAILED
