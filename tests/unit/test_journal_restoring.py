"""A working directory made from its copy is the one that was lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from csi_migration.journal.archive import Content, pack, unpack
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.errors import JournalBroken, JournalUnreadable
from csi_migration.journal.restoring import complete, content_of, is_incomplete, restored
from csi_migration.model.errors import UsageError
from tests.unit.journal_samples import IDENTITY

FILES = {"backup/pods/web-0.json": b"{}", "plan.json": b"[]", "restore/pods/web-0.json": b"{ }\n"}
ARGUMENTS = {"window": "run", "flags": ["--yes"]}
CONTENT = Content(IDENTITY, ARGUMENTS, FILES)


def begun(path: Path) -> WorkingDirectory:
    directory = WorkingDirectory.create(path, IDENTITY)
    directory.journal.run_started(tool_version="0.1.0", arguments=ARGUMENTS)
    for name, data in FILES.items():
        directory.save(name, data)
    return directory


def test_a_lost_directory_comes_back_from_its_archive(tmp_path: Path) -> None:
    with begun(tmp_path / "lost") as lost:
        archive = pack(content_of(lost))
        digests = lost.journal.saved_files()

    with restored(tmp_path / "new", unpack(archive)) as directory:
        assert directory.journal.saved_files() == digests
        assert {name: directory.load(name) for name in FILES} == FILES
        assert content_of(directory) == CONTENT
    with WorkingDirectory.open(tmp_path / "new") as directory:
        assert not is_incomplete(directory)


def test_the_arguments_are_those_of_the_run_that_began(tmp_path: Path) -> None:
    with begun(tmp_path / "a") as directory:
        directory.journal.run_started(tool_version="0.2.0", arguments={"window": "replica"})

        assert content_of(directory).arguments == ARGUMENTS


def test_a_directory_in_which_no_run_began_is_no_backup(tmp_path: Path) -> None:
    with (
        WorkingDirectory.create(tmp_path / "a", IDENTITY) as directory,
        pytest.raises(JournalUnreadable, match="does not say how its migration began"),
    ):
        content_of(directory)


def test_a_backup_file_that_was_changed_is_not_passed_on(tmp_path: Path) -> None:
    with begun(tmp_path / "a") as directory:
        (directory.path / "plan.json").write_bytes(b"changed")

        with pytest.raises(JournalUnreadable, match="was changed since"):
            content_of(directory)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()

    with pytest.raises(UsageError, match="is not empty"):
        restored(tmp_path, CONTENT)


@pytest.mark.parametrize("fails_at", range(40))
def test_a_restore_that_was_interrupted_anywhere_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    path, calls, fsync = tmp_path / "new", 0, os.fsync

    def failing(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > fails_at:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        try:
            restored(path, CONTENT).close()
        except (JournalBroken, UsageError):
            assert fails_at < 30, "it never gets to its end"

    with taken_up(path) as directory:
        assert content_of(directory) == CONTENT


def taken_up(path: Path) -> WorkingDirectory:
    """What the next run does with whatever it finds there."""
    if not (path / "journal.jsonl").exists():
        return restored(path, CONTENT)
    directory = WorkingDirectory.open(path)
    if is_incomplete(directory):
        complete(directory, CONTENT)
    return directory


def test_completing_what_is_complete_changes_nothing(tmp_path: Path) -> None:
    with begun(tmp_path / "a") as directory:
        before = directory.journal.records()
        complete(directory, CONTENT)

        assert directory.journal.records() == before


def test_another_migrations_directory_is_not_completed(tmp_path: Path) -> None:
    other = replace(CONTENT, files={"x": b""})
    with WorkingDirectory.create(tmp_path / "a", IDENTITY) as directory:
        directory.save("x", b"mine")
        with pytest.raises(JournalUnreadable, match="other content"):
            complete(directory, other)
        stranger = Content(type(IDENTITY)(**_fields(statefulset_uid="other")), {}, {})
        with pytest.raises(JournalUnreadable, match="belongs to another migration"):
            complete(directory, stranger)


def _fields(**changes: str) -> dict[str, str]:
    return {name: getattr(IDENTITY, name) for name in IDENTITY.__struct_fields__} | changes


@pytest.mark.parametrize("name", ["../x", "/etc/x", "journal.jsonl", "lock", "a/.x", "a\0b"])
def test_a_forged_copy_writes_nothing_outside_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalUnreadable, match="no working directory may"):
        restored(tmp_path / "new", replace(CONTENT, files={name: b"forged"}))

    assert sorted(p.name for p in tmp_path.rglob("*")) == ["journal.jsonl", "lock", "new"]
