"""How a run leaves things that ends before its first step: refused, or stopped by a signal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine import ending, start
from csi_migration.engine.cluster_backup import UnfinishedMigration
from csi_migration.engine.lease import Lease
from csi_migration.engine.run import Options, Run, StopRequest
from csi_migration.engine.second_backup import save_the_second_backup
from csi_migration.engine.systems import Systems
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.peek import peek
from csi_migration.journal.plan_file import PLAN, plan_bytes
from csi_migration.journal.record import RunEnded
from csi_migration.kube import MaybeApplied, NotSent, resources
from csi_migration.model.errors import ExitCode, Stopped, ToolError
from csi_migration.model.plan import Direction
from csi_migration.model.snapshot import Request
from tests.unit import snapshots
from tests.unit.backup_cluster import Cluster
from tests.unit.journal_samples import IDENTITY

Begin = Callable[[], AbstractContextManager[Run]]


def terminated(times: int) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGTERM)


def nobody_listens(*_: object) -> None:
    raise AssertionError("nobody listens to the signal")


class Trial:
    """A cluster with the set in it, and a working directory."""

    def __init__(self, path: Path) -> None:
        self.path, self.cluster = path, Cluster()
        self.cluster.put(resources.STATEFULSETS, snapshots.statefulset())
        for ordinal in (0, 1):
            self.cluster.put(resources.CLAIMS, snapshots.claim(ordinal))
            self.cluster.put(resources.VOLUMES, snapshots.volume(ordinal))
        vars(self.cluster)["server"] = "https://shop.example.com"
        fake = SimpleNamespace(client=self.cluster, cluster_uid=lambda: IDENTITY.cluster_uid)
        self.systems = cast(Systems, fake)
        self.common: dict[str, Any] = {
            "arguments": {},
            "tell": lambda _: None,
            "agree": lambda _: None,
        }

    def new(self) -> AbstractContextManager[Run]:
        request = Request("shop", "web", "standard", "standard-rwo")
        return start.new_run(self.systems, request, Options(), self.path, **self.common)

    def taken_up(self) -> AbstractContextManager[Run]:
        with WorkingDirectory.create(self.path, IDENTITY) as held:
            held.journal.run_started(tool_version="0.1.0", arguments={})
            held.save(PLAN, plan_bytes(plan_of(snapshots.healthy())))
        return start.taken_up_run(
            self.systems, Options(), self.path, Direction.TO_CSI, **self.common
        )

    @property
    def lease(self) -> object:
        return self.cluster.find(resources.LEASES, "csi-migration-web")


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setattr(start, "preflight", lambda *_: (snapshots.healthy(), ()))
    monkeypatch.setattr(start, "back_up", lambda *_: None)
    before = signal.signal(signal.SIGTERM, nobody_listens)
    yield Trial(tmp_path / "work")
    assert signal.signal(signal.SIGTERM, before) is nobody_listens


def stopped(begin: Begin) -> Stopped:
    with pytest.raises(Stopped) as caught, begin():
        pytest.fail("it must not come to its first step")
    return caught.value


@pytest.mark.parametrize("begins", ["new", "taken_up"])
@pytest.mark.parametrize(
    ("signals", "words"), [(1, "Stopped at a safe point"), (2, "Stopped at once")]
)
def test_a_signal_before_the_first_step_is_heeded_and_told(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, begins: str, signals: int, words: str
) -> None:
    prelude = {"new": "back_up", "taken_up": "write_readme"}[begins]
    monkeypatch.setattr(start, prelude, lambda *_: terminated(signals))
    error = stopped(getattr(trial, begins))
    assert error.message.startswith(words)
    assert "StatefulSet shop/web is in place" in error.state
    way_on = {"new": "rollback", "taken_up": "resume"}[begins]
    assert f"rolling-migration {way_on} --working-directory {trial.path}" in error.resolution
    assert ("resume" in error.resolution) == (begins == "taken_up")
    last = peek(trial.path).records[-1]
    assert isinstance(last, RunEnded)
    assert last.exit_code == 5
    assert trial.lease is None
    assert trial.cluster.writes == ["create csi-migration-web", "delete csi-migration-web"]


@pytest.mark.parametrize("begins", ["new", "taken_up"])
@pytest.mark.parametrize("signals", [1, 2])
def test_who_waits_for_the_lease_can_be_stopped(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, begins: str, signals: int
) -> None:
    tries: list[object] = []

    def away(*_: object) -> None:
        tries.append("another")
        terminated(signals)
        raise NotSent("nobody answers")

    monkeypatch.setattr(Lease, "take", away)
    monkeypatch.setattr(start, "_TAKE_PAUSE_SECONDS", 0.0)
    error = stopped(getattr(trial, begins))
    assert len(tries) == 1
    assert error.state == "Nothing was changed by this run."
    assert "rolling-migration" in error.resolution
    is_left = (trial.path / "journal.jsonl").exists()
    assert is_left is (begins == "taken_up")


def test_a_lease_whose_taking_is_never_answered_is_an_outage(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expires by itself, so nothing was changed that would have to be taken up."""

    def unanswered(*_: object) -> None:
        raise MaybeApplied("it may have been applied")

    monkeypatch.setattr(Lease, "take", unanswered)
    monkeypatch.setattr(start, "_TAKE_PAUSE_SECONDS", 0.0)
    options = Options(unreachable_timeout=0.01)
    cluster: Any = trial.cluster
    plan = plan_of(snapshots.healthy())
    with pytest.raises(ToolError) as caught:
        start._take(cluster, plan, options, StopRequest(lambda: None))
    assert caught.value.exit_code == ExitCode.UNREACHABLE


def test_a_run_that_was_refused_has_ended_and_leaves_the_others_backup(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise UnfinishedMigration("another migration has not ended", resolution="End that one.")

    monkeypatch.setattr(start, "save_the_second_backup", refused)
    with pytest.raises(UnfinishedMigration) as caught, trial.new():
        pytest.fail("it must not come to its first step")
    last = peek(trial.path).records[-1]
    assert isinstance(last, RunEnded)
    assert (last.exit_code, "another migration" in last.state) == (6, True)
    assert caught.value.resolution == "End that one."
    assert trial.lease is None


@pytest.mark.parametrize("is_sent", [True, False])
def test_what_stands_is_taken_away_only_if_a_part_of_it_was_sent(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, *, is_sent: bool
) -> None:
    """Before that it may be the backup of another migration of the same set."""
    found: list[str] = []
    monkeypatch.setattr(ending, "forget_the_second_backup", lambda _: found.append("forgotten"))

    def asked_while_saving(run: Run) -> None:
        if is_sent:
            save_the_second_backup(run)
        terminated(1)
        run.stop_if_asked()

    monkeypatch.setattr(start, "save_the_second_backup", asked_while_saving)
    stopped(trial.new)
    assert found == (["forgotten"] if is_sent else [])
