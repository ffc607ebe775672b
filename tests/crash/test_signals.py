"""Killed without a word (`kill -9`) at random moments, others with each commit: nothing is
lost, all can be taken up.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.record import Intent
from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.crash.test_torture_sample import seed
from tests.lab.adversarykit import LEASE, age_the_lease, lease_from_another_machine
from tests.lab.interruptkit import (
    QUICK,
    assert_nothing_lost,
    await_words,
    begun,
    held,
    started,
)
from tests.lab.labkit import Running, Trial, finish
from tests.lab.refusalkit import assert_refusal

SEED = os.environ.get("CRASH_SEED") or seed()
KILLS = 5
# A run over two replicas says so many lines at least before the second one's soak, which never
# ends: however slow the killer is, there is a run to kill.
LINES = {"replica": 36, "run": 30}
HOLDING = ("--health-command", 'test "$POD" != web-0')
KINDS = {
    "StatefulSet": "statefulsets",
    "ControllerRevision": "controllerrevisions",
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
}


@dataclass(frozen=True)
class Moment:
    """When to kill, and what."""

    namespace: str
    line: int
    seconds_later: float
    window: str
    origin: str


def moments() -> list[Moment]:
    chance = random.Random(SEED)
    made = []
    for number in range(KILLS):
        window = chance.choice(list(LINES))
        line, later = chance.randint(1, LINES[window]), chance.uniform(0, 0.4)
        origin = chance.choice(["registered", "by-path"])
        made.append(Moment(f"killed-{number}", line, later, window, origin))
    return made


@pytest.mark.parametrize("moment", moments(), ids=lambda moment: moment.namespace)
def test_a_killed_run_loses_nothing(trial: StartTrial, moment: Moment) -> None:
    print(f"CRASH_SEED={SEED}: {moment}")
    made = trial(replicas=2, namespace=moment.namespace, origin=moment.origin)
    before = inventory(made)
    with started(made, *QUICK, *HOLDING, "--window", moment.window) as tool:
        await_words(tool, "; backup in")
        await_lines(tool, moment.line)
        time.sleep(moment.seconds_later)
        tool.process.kill()
        tool.process.wait()
    assert tool.process.returncode == -signal.SIGKILL
    time.sleep(2)  # what was deleted takes its time to go
    assert_nothing_lost(made)
    with WorkingDirectory.open(made.directory) as directory:
        assert directory.identity.statefulset_uid == before["StatefulSet", "web"]
        assert len(directory.journal.open_intents()) <= 1
        assert_backed_up(directory, before, inventory(made))
    assert_expires(made)


def await_lines(tool: Running, count: int) -> None:
    """Wait until the tool has said so many lines, or has ended."""

    def seen() -> bool:
        text = os.pread(tool.stderr.fileno(), 1 << 22, 0)
        return text.count(b"\n") >= count or tool.process.poll() is not None

    until(f"{count} lines", seen)


def inventory(trial: Trial) -> dict[tuple[str, str], str]:
    """Uids of the set and all its dependents, by kind and name."""
    namespace = trial.workload.namespace
    found = {kind: trial.cluster.list(kind, namespace) for kind in KINDS}
    found["PersistentVolume"] = [
        volume
        for volume in found["PersistentVolume"]
        if volume["spec"].get("claimRef", {}).get("namespace") == namespace
    ]
    return {
        (kind, one["metadata"]["name"]): one["metadata"]["uid"]
        for kind, some in found.items()
        for one in some
    }


def assert_backed_up(
    directory: WorkingDirectory,
    before: dict[tuple[str, str], str],
    now: dict[tuple[str, str], str],
) -> None:
    """Every object that has gone is in the backup, as it was."""
    for (kind, name), uid in before.items():
        if uid not in now.values():
            kept = json.loads(directory.load(f"backup/{KINDS[kind]}/{name}.json"))
            assert (kept["kind"], kept["metadata"]["uid"]) == (kind, uid)


def lease(trial: Trial) -> Object | None:
    return trial.cluster.find("Lease", LEASE, trial.workload.namespace)


def assert_expires(trial: Trial) -> None:
    """A Lease that was left names a deadline that is a minute away at most."""
    left = lease(trial)
    if left is not None:
        renewed = datetime.fromisoformat(left["spec"]["renewTime"])
        lasts = timedelta(seconds=left["spec"]["leaseDurationSeconds"])
        assert renewed + lasts <= datetime.now(UTC) + timedelta(seconds=60)


def test_a_dead_runs_lease_holds_until_it_expires(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        tool.process.kill()
        tool.process.wait()
    lease_from_another_machine(made)
    assert_refusal(made.resume(), 7, f"pid {tool.process.pid}", "To do:")
    age_the_lease(made)
    run = made.resume()
    assert run.exit_code == 0, str(run)
    made.assert_migrated()
    assert lease(made) is None


def test_a_lease_whose_holder_died_on_this_machine_is_taken_over_at_once(
    trial: StartTrial,
) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        tool.process.kill()
        tool.process.wait()
    run = made.resume()
    assert run.exit_code == 0, str(run)
    made.assert_migrated()
    assert lease(made) is None


def test_the_journal_of_a_killed_run_tells_where_it_was(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool, held(made, "PersistentVolumeClaim", "data-web-0"):
        await_words(tool, "claim data-web-0 is going away")
        tool.process.kill()
        tool.process.wait()
        with WorkingDirectory.open(made.directory) as directory:
            intents = [each for each in directory.journal.records() if isinstance(each, Intent)]
            assert intents[-1].step == "web-0/delete-claim/data-web-0"
            assert directory.journal.open_intents() == ()
    assert_nothing_lost(made)


def test_a_run_cannot_begin_over_a_killed_one(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool, held(made, "Pod", "web-0"):
        await_words(tool, "web-0 pod-gone: waiting")
        tool.process.kill()
        tool.process.wait()
    run = finish(made.start(*QUICK))
    assert run.exit_code == 2, str(run)
    said = " ".join(run.stderr.split())
    assert str(made.directory) in said
    assert "rolling-migration resume" in said
    assert "rolling-migration rollback" in said
    elsewhere = made.migrate(*QUICK, "--working-directory", str(tmp_path / "elsewhere"))
    assert elsewhere.exit_code == 6, str(elsewhere)
    assert "rolling-migration resume" in " ".join(elsewhere.stderr.split())
