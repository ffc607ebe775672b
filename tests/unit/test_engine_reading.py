"""What a working directory and a Lease tell without anybody being disturbed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from csi_migration.engine.process import this_process
from csi_migration.engine.reading import last_run, lease_status, plan_in, writes_in
from csi_migration.journal.journal import Journal
from csi_migration.journal.peek import Peek, peek
from csi_migration.journal.record import ObjectRef
from csi_migration.model.errors import UsageError
from csi_migration.model.status import RunState
from tests.unit.journal_samples import IDENTITY, POD, Clock

NOW = datetime(2026, 11, 22, 20, 10, tzinfo=UTC)
VMDK = ObjectRef(kind="VMDK", name="[ds] a.vmdk")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal.create(tmp_path / "journal.jsonl", IDENTITY, Clock())
    made.run_started(tool_version="0.2.0", arguments={"command": "resume"})
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def found(directory: Path) -> Peek:
    return peek(directory)


def test_a_run_without_an_end_is_at_work_or_was_killed(journal: Journal, directory: Path) -> None:
    journal.note("x")
    assert last_run(found(directory), is_at_work=True).state is RunState.AT_WORK
    run = last_run(found(directory), is_at_work=False)
    assert (run.state, run.command, run.tool_version) == (RunState.KILLED, "resume", "0.2.0")
    assert (run.ended, run.exit_code) == ("", None)


@pytest.mark.parametrize(("code", "state"), [(0, RunState.FINISHED), (5, RunState.STOPPED)])
def test_a_run_with_an_end_finished_or_stopped(
    journal: Journal, directory: Path, code: int, state: RunState
) -> None:
    journal.run_ended(exit_code=code, state="as it is")
    run = last_run(found(directory), is_at_work=False)
    assert (run.state, run.exit_code, run.told) == (state, code, "as it is")


def test_writes_are_those_that_were_done_or_are_open(journal: Journal, directory: Path) -> None:
    done = journal.intent(step="a", action="delete-pod", object=POD)
    journal.done(done)
    failed = journal.intent(step="b", action="create-pod", object=POD)
    journal.failed(failed, "no")
    registered = journal.intent(step="c", action="register-disk", object=VMDK)
    journal.done(registered, {"diskId": "fcd-1"})
    journal.intent(step="d", action="create-pod", object=POD)
    writes = writes_in(found(directory).records)
    assert [(w.action, w.uid, w.result, w.is_open) for w in writes] == [
        ("delete-pod", "uid-7", "", False),
        ("register-disk", "", "fcd-1", False),
        ("create-pod", "uid-7", "", True),
    ]


def test_a_run_that_reached_its_goal_settles_what_was_open(
    journal: Journal, directory: Path
) -> None:
    journal.intent(step="a", action="create-pod", object=POD)
    journal.run_ended(exit_code=5, state="")
    assert len(writes_in(found(directory).records)) == 1
    journal.run_ended(exit_code=0, state="")
    assert writes_in(found(directory).records) == ()


@pytest.mark.usefixtures("journal")
def test_a_directory_whose_backup_was_never_complete_has_no_plan(directory: Path) -> None:
    with pytest.raises(UsageError):
        plan_in(found(directory))


@pytest.mark.parametrize(
    ("process", "seconds", "is_alive"),
    [
        (this_process(), 3, True),
        (this_process(), 90, False),
        (this_process() + "0", 3, False),
        ("boot/1/2/3", 3, True),
    ],
    ids=["here", "here, but late", "ended", "elsewhere"],
)
def test_a_holder_is_alive_unless_it_has_ended_or_missed_its_deadline(
    process: str, seconds: int, is_alive: bool
) -> None:
    spec = {
        "holderIdentity": "ops@host",
        "acquireTime": "2026-11-22T20:00:00.000000Z",
        "renewTime": (NOW - timedelta(seconds=seconds)).isoformat(),
        "leaseDurationSeconds": 60,
    }
    lease = {"metadata": {"annotations": {"csi-migration/process": process}}, "spec": spec}
    status = lease_status(lease, NOW)
    assert (status.holder, status.seconds, status.is_alive) == ("ops@host", seconds, is_alive)


def test_what_an_earlier_run_had_counts_for_those_after_it(
    journal: Journal, directory: Path
) -> None:
    first = {"max_unavailable": 3, "has_health_command": True, "accept": ["classes"]}
    for flags in (first, {"max_unavailable": 1}, {"max_unavailable": 1, "accept": ["gitops"]}):
        journal.run_started(tool_version="0.2.0", arguments=flags)
    assert found(directory).arguments == {
        "max_unavailable": 1,
        "most_unavailable": 3,
        "accept": ["classes", "gitops"],
        "has_health_command": True,
    }
