"""Who may write at all: a second run, a lost Lease, a directory that takes nothing, a signal."""

from __future__ import annotations

import resource
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import (
    LEASE,
    claim_leaving,
    mark,
    pod_leaving,
    uid,
    written_since,
)
from tests.lab.interruptkit import (
    QUICK,
    assert_nothing_lost,
    await_words,
    begun,
    bring_to,
    policies,
    started,
    taken_up,
)
from tests.lab.labkit import Running, ToolRun, Trial, finish
from tests.lab.refusalkit import assert_refusal, told


def assert_stopped(made: Trial, run: ToolRun, line: int, *says: str) -> None:
    """It stopped before its next write, and says where things stand and how to go on."""
    assert run.exit_code == 5, str(run)
    assert written_since(made, line) == []
    for words in (*says, "State:", "web-0: ", "To do:", "resume --working-directory"):
        assert words in told(run), str(run)
    assert_nothing_lost(made)


# A second run --------------------------------------------------------------------------


def test_a_second_run_anywhere_is_refused(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=2)
    copy, holder = tmp_path / "copy", "another run works on this StatefulSet"
    with begun(made, *QUICK) as tool:
        with claim_leaving(made, tool):
            shutil.copytree(made.directory, copy)
            line = mark(made)
            place = ("--working-directory", str(copy))
            fresh = ("--working-directory", str(tmp_path / "fresh"))
            assert_refusal(made.migrate(*fresh), 7, holder, "Nothing was changed by this run")
            for command in ("resume", "rollback"):
                assert_refusal(finish(made.take_up(command, *place)), 7, holder)
                assert_refusal(finish(made.take_up(command)), 7, str(made.directory))
            assert written_since(made, line) == []
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


# The Lease -----------------------------------------------------------------------------


def test_a_run_whose_lease_is_deleted_stops_before_its_next_write(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            line = mark(made)
            made.cluster.delete("Lease", LEASE, made.workload.namespace)
        run = finish(tool)
    assert_stopped(made, run, line, f"Lease {LEASE} was deleted")
    bring_to("rollback", made)


def test_a_run_that_loses_its_lease_while_it_holds_a_replica_writes_nothing_any_more(
    trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=1)
    healthy = tmp_path / "healthy"
    with started(made, *QUICK, "--health-command", f"test -e {healthy}") as tool:
        await_words(tool, "web-0 soak: waiting")
        line = mark(made)
        made.cluster.delete("Lease", LEASE, made.workload.namespace)
        healthy.touch()
        run = finish(tool)
    assert_stopped(made, run, line, f"Lease {LEASE} was deleted")
    # What a run does at its very end is not done.
    assert policies(made) == {"Retain"}
    assert second_backup(made) != []
    bring_to("resume", made)
    assert policies(made) == {"Delete"}
    assert second_backup(made) == []


def second_backup(made: Trial) -> list[str]:
    """The ConfigMaps beside the set."""
    found = made.cluster.list("ConfigMap", made.workload.namespace)
    names = [one["metadata"]["name"] for one in found]
    return [name for name in names if name.startswith("csi-migration")]


def test_a_lease_is_renewed_as_long_as_its_run_waits(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            taken = renewed(made)
            until("the Lease is renewed", lambda: renewed(made) > taken)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def renewed(made: Trial) -> datetime:
    lease = made.cluster.get("Lease", LEASE, made.workload.namespace)
    return datetime.fromisoformat(lease["spec"]["renewTime"])


def test_a_run_whose_lease_is_taken_over_stops_before_its_next_write(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with claim_leaving(made, tool):
            line = mark(made)
            take_the_lease(made)
        run = finish(tool)
    assert_stopped(
        made,
        run,
        line,
        f"Lease {LEASE} was taken over by ann@elsewhere",
        "data-web-0",
        "between volumes",
    )
    assert_refusal(made.resume(), 7, "ann@elsewhere")
    made.cluster.delete("Lease", LEASE, made.workload.namespace)
    bring_to("resume", made)


def take_the_lease(made: Trial) -> None:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    spec = {"holderIdentity": "ann@elsewhere pid 7", "renewTime": now, "acquireTime": now}
    annotations = {"csi-migration/process": "boot/1/2/3"}
    patch = {"metadata": {"annotations": annotations}, "spec": spec}
    made.cluster.patch("Lease", LEASE, patch, made.workload.namespace)


# The working directory -----------------------------------------------------------------


def test_a_journal_that_takes_nothing_more_stops_the_run_before_its_next_write(
    trial: StartTrial,
) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            line = mark(made)
            fill_the_disk(made, tool)
        run = finish(tool)
    assert_stopped(made, run, line, "journal.jsonl cannot be written", "File too large")
    bring_to("resume", made)


def fill_the_disk(made: Trial, tool: Running) -> None:
    """The journal takes ten bytes more: its next record is cut short, as on a full disk."""
    room = (made.directory / "journal.jsonl").stat().st_size + 10
    resource.prlimit(tool.process.pid, resource.RLIMIT_FSIZE, (room, room))


def test_a_directory_that_goes_away_stops_the_run_before_it_deletes(
    trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            made.directory = made.directory.rename(tmp_path / "moved")
        run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "cannot be written" in told(run)
    assert uid(made, "PersistentVolumeClaim", "data-web-0")
    bring_to("resume", made)


# Signals, and a claim that never goes --------------------------------------------------


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_claim_that_never_goes_can_be_left_with_two_signals(trial: StartTrial, end: str) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool, claim_leaving(made, tool):
        line = mark(made)
        twice(tool, signal.SIGTERM)
        run = finish(tool)
        assert_stopped(made, run, line, "web-0: away, between volumes", "is away;")
        with taken_up(made, end) as waits:
            await_words(waits, "claim data-web-0 is going away")
            twice(waits, signal.SIGINT)
            assert finish(waits).exit_code == 5
    bring_to(end, made)


def twice(tool: Running, number: signal.Signals) -> None:
    """The second one once the first was heard: two at the same moment are one to the kernel."""
    tool.signal(number)
    await_words(tool, "Stopping at the next safe point")
    tool.signal(number)
