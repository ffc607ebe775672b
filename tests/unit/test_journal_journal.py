from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from csi_migration.journal.errors import JournalBroken
from csi_migration.journal.journal import Journal
from csi_migration.journal.reading import read
from csi_migration.journal.record import (
    Created,
    Done,
    Failed,
    Intent,
    Note,
    RunEnded,
    RunStarted,
    Saved,
)
from tests.unit.journal_samples import IDENTITY, POD, Clock, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal.create(path, IDENTITY, Clock())


def test_a_record_is_one_line_of_json_that_a_person_can_read(path: Path, journal: Journal) -> None:
    journal.intent(step="delete-pod", action="delete", object=POD, replica="web-1")

    line = json.loads(path.read_text().splitlines()[1])
    assert len(line.pop("crc")) == 8
    assert line == {
        "type": "intent",
        "seq": 1,
        "time": "2026-11-22T20:10:00.002Z",
        "step": "delete-pod",
        "replica": "web-1",
        "action": "delete",
        "object": {
            "kind": "Pod",
            "name": "web-1",
            "namespace": "shop",
            "uid": "uid-7",
            "resourceVersion": "12",
        },
        "parameters": {},
    }


def test_only_its_owner_may_read_it(path: Path, journal: Journal) -> None:
    assert journal.identity == IDENTITY
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_written_is_read_back(path: Path) -> None:
    written(path)

    journal, notice = Journal.open(path)

    assert notice == ""
    assert journal.identity == IDENTITY
    assert [type(r) for r in journal.records()] == [
        *(Created, RunStarted, Saved, Intent, Done, Intent, Failed, Note, Intent, RunEnded)
    ]
    assert journal.saved_files() == {"pods/web-1.json": "0" * 64}
    assert [i.step for i in journal.open_intents()] == ["y"]


def test_a_reopened_journal_goes_on_where_it_stopped(path: Path) -> None:
    written(path)
    journal, _ = Journal.open(path, Clock())

    journal.done(8)
    journal.note("after")

    assert journal.open_intents() == ()
    assert read(path.read_bytes()).records == journal.records()
    assert [r.seq for r in journal.records()] == list(range(12))


def test_an_intent_is_answered_once(journal: Journal) -> None:
    intent = journal.intent(step="x", action="create", object=POD)
    assert [i.seq for i in journal.open_intents()] == [intent]
    journal.done(intent)

    with pytest.raises(ValueError, match="no open intent"):
        journal.failed(intent, "too late")


def fail(number: int) -> Callable[..., int]:
    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return failing


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_is_the_last_one(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    before = journal.records()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail(number))
        with pytest.raises(JournalBroken) as caught:
            journal.note("lost")
    assert caught.value.exit_code == 5
    assert os.strerror(number) in caught.value.details

    size = path.stat().st_size
    with pytest.raises(JournalBroken):  # the disk is well again, the journal is not
        journal.note("more")
    assert path.stat().st_size == size
    assert journal.records() == before


def test_an_interrupted_write_is_the_last_one_too(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.note("perhaps")

    with pytest.raises(JournalBroken):
        journal.note("more")


def test_a_disk_that_fills_up_within_a_record_leaves_a_journal_that_can_be_reopened(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [10]

    def filling(descriptor: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data[: room.pop()]))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        with pytest.raises(JournalBroken):
            journal.note("does not fit")
    journal.close()

    reopened, notice = Journal.open(path)

    assert "10 bytes" in notice
    assert reopened.records() == journal.records()


def test_a_write_in_pieces_is_one_record(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))

    journal.note("in pieces of seven bytes")

    assert read(path.read_bytes()).records == journal.records()


def test_each_record_is_synced_before_the_call_returns(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Mock(write=Mock(wraps=os.write), fsync=Mock(wraps=os.fsync))
    monkeypatch.setattr(os, "write", watched.write)
    monkeypatch.setattr(os, "fsync", watched.fsync)

    journal.note("one")

    assert [name for name, _, _ in watched.mock_calls] == ["write", "fsync"]


@pytest.mark.parametrize("stands_there", [True, False], ids=["replaced", "moved away"])
def test_a_journal_that_is_no_longer_in_its_place_takes_nothing_more(
    path: Path, journal: Journal, stands_there: bool
) -> None:
    moved = path.rename(path.with_name("moved.jsonl"))
    if stands_there:
        path.write_bytes(moved.read_bytes())
    before = moved.read_bytes()

    for _ in range(2):
        with pytest.raises(JournalBroken, match="cannot be written"):
            journal.note("lost")
    assert moved.read_bytes() == before


def test_a_journal_that_cannot_be_made_is_not_half_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))

    with pytest.raises(JournalBroken):
        Journal.create(path, IDENTITY)

    assert not path.exists()


def test_a_journal_whose_records_cannot_be_made_durable_is_not_reopened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(path)
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))

    with pytest.raises(JournalBroken):
        Journal.open(path)

    assert path.read_bytes() == whole
