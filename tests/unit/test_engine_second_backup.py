"""The second backup goes last, and nothing of it comes back once the migration has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from csi_migration.engine import second_backup
from csi_migration.engine.cluster_backup import UnfinishedMigration, load
from csi_migration.engine.run import Options, Run
from csi_migration.engine.second_backup import (
    forget_the_second_backup,
    renew_the_second_backup,
    save_the_second_backup,
)
from csi_migration.journal.archive import Content
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.restoring import content_of
from csi_migration.kube import AlreadyExists, Forbidden, MaybeApplied, NotSent, resources
from csi_migration.model.events import Notice
from csi_migration.model.objects import Raw
from tests.unit.backup_cluster import CONTENT, FILES, OTHER_FILES, OTHER_UID, Cluster, Crash
from tests.unit.journal_samples import IDENTITY


class Trial:
    """A run beside a cluster that loses the answer to one creation; the clock is moved by hand."""

    def __init__(self, directory: WorkingDirectory) -> None:
        self.cluster = Cluster()
        self.now = time.monotonic()
        self.waits: list[str] = []
        self.told: list[Notice] = []
        self.patience: list[float | None] = []
        fake = SimpleNamespace(
            systems=SimpleNamespace(client=self.cluster),
            directory=directory,
            guard=lambda: None,
            patiently=lambda _, look, **limit: self._patiently(look, **limit),
            unless_asked=lambda look: look(),
            options=Options(),
            tell=self.told.append,
            waiter=lambda *_: SimpleNamespace(pause=self._pause),
            started=self.now,
        )
        self.run = cast(Run, fake)

    def _patiently(self, look: Callable[[], object], timeout: float | None = None) -> None:
        self.patience.append(timeout)
        try:
            look()
        except MaybeApplied:
            look()

    def _pause(self, why: str) -> None:
        self.waits.append(why)
        assert self.cluster.numbers() == (0,)
        self.now += 30

    def arrive(self, sent: Raw) -> None:
        """The creation that was lost comes, if its name is free."""
        self.cluster.create(resources.CONFIG_MAPS, sent, "shop")


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setattr(second_backup, "content_of", lambda _: CONTENT)
    with WorkingDirectory.create(tmp_path, IDENTITY) as directory:
        made = Trial(directory)
        monkeypatch.setattr("time.monotonic", lambda: made.now)
        yield made


def test_it_goes_at_once_when_every_creation_was_answered(trial: Trial) -> None:
    save_the_second_backup(trial.run)
    forget_the_second_backup(trial.run)
    assert (trial.waits, trial.cluster.objects) == ([], {})


def test_it_stands_until_no_lost_creation_can_come_any_more(trial: Trial) -> None:
    trial.cluster.fail(1, MaybeApplied("lost"), applied=False)
    save_the_second_backup(trial.run)
    sent = trial.cluster.map(0)
    with pytest.raises(AlreadyExists):
        trial.arrive(sent)

    forget_the_second_backup(trial.run)
    assert len(trial.waits) == 3
    assert "ConfigMap" in trial.waits[0]
    assert trial.cluster.objects == {}


def test_what_a_run_that_died_was_creating_is_waited_for_by_the_next(trial: Trial) -> None:
    trial.cluster.fail(1, Crash(), applied=False)
    with pytest.raises(Crash):
        save_the_second_backup(trial.run)
    save_the_second_backup(trial.run)

    forget_the_second_backup(trial.run)
    assert len(trial.waits) == 3


def test_what_is_found_may_be_that_of_an_earlier_try(trial: Trial) -> None:
    trial.cluster.fail(1, MaybeApplied("lost"), applied=True)
    save_the_second_backup(trial.run)
    forget_the_second_backup(trial.run)
    assert len(trial.waits) == 3
    assert trial.cluster.objects == {}


def test_a_lost_answer_is_one_too_when_the_look_after_it_fails(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server went away in the middle, and every answer was lost from then on."""

    def away(*_: object) -> None:
        raise NotSent("nobody answers")

    trial.cluster.fail(1, MaybeApplied("lost"), applied=False)
    with monkeypatch.context() as context:
        context.setattr(trial.cluster, "find", away)
        with pytest.raises(NotSent):
            save_the_second_backup(trial.run)
    save_the_second_backup(trial.run)

    forget_the_second_backup(trial.run)
    assert len(trial.waits) == 3


# A run that takes a migration up -------------------------------------------------------

MORE = replace(CONTENT, files=FILES | {"backup/pods/web-0.today.json": b"{}"})


@pytest.fixture
def more_was_saved(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    save_the_second_backup(trial.run)
    trial.patience.clear()
    monkeypatch.setattr(second_backup, "content_of", lambda _: MORE)


def content_of_the_cluster(trial: Trial) -> Content | None:
    return load(trial.cluster.client, "shop", "web")


@pytest.mark.usefixtures("more_was_saved")
def test_it_is_renewed_with_what_was_saved_since(trial: Trial) -> None:
    renew_the_second_backup(trial.run)
    assert content_of_the_cluster(trial) == MORE
    assert trial.told == []


@pytest.mark.usefixtures("more_was_saved")
def test_one_that_must_not_be_made_anew_stands_and_ends_no_run(trial: Trial) -> None:
    """A replica may be away: it does not wait for a copy for as long as for a server."""
    trial.cluster.denial = Forbidden("a policy forbids it", status=403)
    renew_the_second_backup(trial.run)
    assert content_of_the_cluster(trial) == CONTENT
    assert "a policy forbids it" in trial.told[0].text
    assert trial.patience == [30]


def test_a_new_run_does_not_begin_without_one(trial: Trial) -> None:
    trial.cluster.denial = Forbidden("a policy forbids it", status=403)
    with pytest.raises(Forbidden):
        save_the_second_backup(trial.run)
    assert trial.patience == [Options().unreachable_timeout]


@pytest.mark.usefixtures("more_was_saved")
def test_a_rotten_file_that_nobody_needs_ends_no_run(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(second_backup, "content_of", content_of)
    trial.run.directory.journal.run_started(tool_version="0.1.0", arguments={})
    trial.run.directory.save("backup/pods/web-0.json", b"{}")
    (tmp_path / "backup/pods/web-0.json").write_bytes(b"rotten")
    renew_the_second_backup(trial.run)
    assert "web-0.json was changed since it was saved" in trial.told[0].text
    assert content_of_the_cluster(trial) == CONTENT


def test_another_migrations_backup_ends_a_run_that_was_taken_up_too(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_backup, "content_of", lambda _: OTHER_UID)
    save_the_second_backup(trial.run)
    monkeypatch.setattr(second_backup, "content_of", lambda _: CONTENT)
    with pytest.raises(UnfinishedMigration):
        renew_the_second_backup(trial.run)


def test_a_damaged_copy_of_its_own_ends_no_run_that_was_taken_up(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_backup, "content_of", lambda _: CONTENT)
    save_the_second_backup(trial.run)
    (stands,) = trial.cluster.objects.values()
    stands["binaryData"] = dict.fromkeys(stands["binaryData"], "AAAA")
    monkeypatch.setattr(second_backup, "content_of", lambda _: OTHER_FILES)
    renew_the_second_backup(trial.run)
    assert "cannot be used" in trial.told[0].text
