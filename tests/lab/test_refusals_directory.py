"""Working directories and locks: one run, one directory, one StatefulSet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.demo import tool
from tests.conftest import StartTrial
from tests.lab.interruptkit import (
    PROVISIONER,
    QUICK,
    await_words,
    begun,
    held,
    said,
)
from tests.lab.labkit import Lab, Running, ToolRun, Trial, finish
from tests.lab.refusalkit import assert_refusal, assert_refused, footprint, standing


@pytest.fixture(scope="module")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("directories")
    with standing(lab, folder, namespace="refused-directories", replicas=2) as made:
        yield made


def migrate_in(trial: Trial, directory: Path) -> ToolRun:
    return trial.migrate("--working-directory", str(directory), *QUICK)


def test_a_directory_that_holds_something_is_refused(shared: Trial, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = footprint(shared.cluster, shared.workload.namespace)
    run = migrate_in(shared, tmp_path)
    assert_refusal(run, 2, str(tmp_path), "notes.txt", "To do:")
    assert footprint(shared.cluster, shared.workload.namespace) == before
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_no_working_directory(shared: Trial, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    before = footprint(shared.cluster, shared.workload.namespace)
    assert_refusal(migrate_in(shared, file), 2, f"{file} is not a directory", "To do:")
    assert footprint(shared.cluster, shared.workload.namespace) == before
    assert file.read_text() == "mine"


def test_a_path_below_a_file_is_no_working_directory(shared: Trial, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert_refused(shared, file / "work", [], 2, f"{file} is not a directory")


def test_a_directory_that_cannot_be_written_is_refused(shared: Trial, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    before = footprint(shared.cluster, shared.workload.namespace)
    run = finish(Running([*without_override(), *all_in(shared, closed)], None))
    assert_refusal(run, 2, str(closed), "cannot be written to", "To do:")
    assert footprint(shared.cluster, shared.workload.namespace) == before
    assert list(closed.iterdir()) == []


def without_override() -> list[str]:
    """Root writes anywhere, unless it gives that capability up first."""
    dropped = "--bounding-set=-dac_override,-dac_read_search"
    return ["setpriv", dropped] if os.geteuid() == 0 else []


def all_in(trial: Trial, directory: Path) -> list[str]:
    where = ["--working-directory", str(directory), "--yes"]
    return [str(tool()), "rolling-migration", "all", *trial.options, *where]


def test_a_directory_of_another_set_is_refused_and_the_set_named(
    shared: Trial, trial: StartTrial, tmp_path: Path
) -> None:
    other = trial(replicas=1, name="other")
    directory = tmp_path / "taken"
    first = migrate_in(other, directory)
    assert first.exit_code == 0, first
    kept = {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}
    before = footprint(shared.cluster, shared.workload.namespace)
    run = migrate_in(shared, directory)
    assert_refusal(run, 2, f"StatefulSet {other.workload.namespace}/other", "finished", "To do:")
    assert footprint(shared.cluster, shared.workload.namespace) == before
    assert {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()} == kept


def test_a_second_run_before_the_first_change_is_locked_out(
    trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as first:
        assert_locked_out(made, tmp_path / "second", first)
        made.lab.resume(PROVISIONER)
        run = finish(first)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_second_run_in_the_window_is_locked_out(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as first:
        with held(made, "Pod", "web-0"):
            await_words(first, "web-0 pod-gone: waiting")
            assert_locked_out(made, tmp_path / "second", first)
        run = finish(first)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_second_run_on_the_same_directory_is_locked_out(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as first:
        with held(made, "Pod", "web-0"):
            await_words(first, "web-0 pod-gone: waiting")
            second = migrate_in(made, made.directory)
            assert_refusal(second, 7, str(made.directory), f"pid {first.process.pid}", "To do:")
        run = finish(first)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def assert_locked_out(trial: Trial, directory: Path, first: Running) -> None:
    """The second run names the first, and leaves no directory behind."""
    assert first.process.poll() is None, said(first)
    assert_refusal(migrate_in(trial, directory), 7, f"pid {first.process.pid}", "To do:")
    assert not directory.exists() or list(directory.iterdir()) == []
