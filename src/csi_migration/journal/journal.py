"""The append-only record of what was intended and what was seen to be done.

The rule that it serves: an intent is on disk before its write is sent, and the
journal is never the judge of what happened. The cluster tells what is.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from csi_migration.journal.errors import JournalBroken
from csi_migration.journal.files import sync_folder, write_all, write_durably
from csi_migration.journal.reading import Reading, read
from csi_migration.journal.record import (
    NO_CHECKSUM,
    SCHEMA,
    Created,
    Done,
    Failed,
    Identity,
    Intent,
    Note,
    ObjectRef,
    Record,
    RunEnded,
    RunStarted,
    Saved,
    encode,
)

Clock = Callable[[], datetime]
"""Tells the time, with its zone."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """An open journal; the caller holds the directory's lock.

    Each method that appends returns after the record is on the disk, and raises
    JournalBroken when that cannot be said. From then on every one of them does.
    """

    def __init__(self, path: Path, reading: Reading, clock: Clock) -> None:
        self.identity = reading.created.identity
        self._path = path
        self._clock = clock
        self._records = list(reading.records)
        self._open = {intent.seq: intent for intent in open_intents(reading.records)}
        self._recorded_at = dict[int, float]()
        self._checksum = reading.checksum
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._trusted = True

    @classmethod
    def create(cls, path: Path, identity: Identity, clock: Clock = utc_now) -> Self:
        """Start a journal with its record 0: whole, or not there at all.

        Raises:
            JournalBroken: it cannot be written.
        """
        record = Created(seq=0, time=timestamp(clock()), schema=SCHEMA, identity=identity)
        line, checksum = encode(record, NO_CHECKSUM)
        try:
            write_durably(path, line)
            return cls(path, Reading(record, (record,), len(line), checksum, 0), clock)
        except OSError as error:
            raise broken(path, error) from error

    @classmethod
    def open(cls, path: Path, clock: Clock = utc_now) -> tuple[Self, str]:
        """Open a journal; the text says what was mended, empty when nothing was.

        Raises:
            JournalUnreadable: it is damaged, or of another version.
            JournalBroken: it cannot be read or written.
        """
        try:
            reading = read(path.read_bytes())
            journal = cls(path, reading, clock)
            journal._cut_to(reading.length)
        except OSError as error:
            raise broken(path, error) from error
        if not reading.dropped:
            return journal, ""
        return journal, (
            f"The journal's last record, cut short by a crash, was dropped "
            f"({reading.dropped} bytes); nothing was done on its account."
        )

    def records(self) -> tuple[Record, ...]:
        """All records, from record 0 on."""
        return tuple(self._records)

    def open_intents(self) -> tuple[Intent, ...]:
        """Intents of which neither success nor failure was recorded, oldest first."""
        return tuple(self._open.values())

    def saved_files(self) -> dict[str, str]:
        """The backup files' SHA-256 in hex, by name."""
        return {r.file: r.sha256 for r in self._records if isinstance(r, Saved)}

    def run_started(self, *, tool_version: str, arguments: dict[str, Any]) -> None:
        """Record that this process takes up the migration. No secrets in `arguments`."""
        self._append(RunStarted(**self._next(), tool_version=tool_version, arguments=arguments))

    def saved(self, file: str, sha256: str) -> None:
        """Record that a backup file is durable."""
        self._append(Saved(**self._next(), file=file, sha256=sha256))

    def intent(
        self,
        *,
        step: str,
        action: str,
        object: ObjectRef,  # noqa: A002  the record's own word
        replica: str = "",
        parameters: dict[str, Any] | None = None,
    ) -> int:
        """Record a write that is about to be sent; return its number for `done` or `failed`."""
        intent = Intent(
            **self._next(),
            step=step,
            replica=replica,
            action=action,
            object=object,
            parameters=parameters or {},
        )
        self._append(intent)
        self._open[intent.seq] = intent
        self._recorded_at[intent.seq] = time.monotonic()
        return intent.seq

    def seconds_since(self, intent: int) -> float | None:
        """How long ago this process recorded an intent; None for one of an earlier process.

        By its own clock, which nobody sets: the records' times are those of any machine.
        """
        recorded_at = self._recorded_at.get(intent)
        return None if recorded_at is None else time.monotonic() - recorded_at

    def done(self, intent: int, result: dict[str, Any] | None = None) -> None:
        """Record that the intended effect was seen: the object's uid, resourceVersion, ..."""
        self._close(intent, Done(**self._next(), intent=intent, result=result or {}))

    def failed(self, intent: int, error: str) -> None:
        """Record that the intended write is known not to have happened.

        Whether a write with a lost answer happened is not known: leave its intent open.
        """
        self._close(intent, Failed(**self._next(), intent=intent, error=error))

    def note(self, text: str) -> None:
        """Record something for whoever reads the journal later."""
        self._append(Note(**self._next(), text=text))

    def run_ended(self, *, exit_code: int, state: str) -> None:
        """Record that this process ends by itself."""
        self._append(RunEnded(**self._next(), exit_code=exit_code, state=state))

    def close(self) -> None:
        """Close the file; what was recorded is on the disk already."""
        os.close(self._descriptor)

    def _next(self) -> dict[str, Any]:
        return {"seq": len(self._records), "time": timestamp(self._clock())}

    def _close(self, intent: int, record: Done | Failed) -> None:
        if intent not in self._open:
            raise ValueError(f"record {intent} is no open intent")
        self._append(record)
        del self._open[intent]

    def _append(self, record: Record) -> None:
        line, checksum = encode(record, self._checksum)
        if not self._trusted:
            raise broken(self._path, None)
        # Whatever interrupts the next two lines, a signal included, leaves bytes
        # behind that only a reopening can judge.
        self._trusted = False
        try:
            self._require_in_place()
            write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            raise broken(self._path, error) from error
        self._trusted = True
        self._records.append(record)
        self._checksum = checksum

    def _require_in_place(self) -> None:
        """A file that was moved or removed still takes records, but nobody would find them."""
        if not os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
            raise FileNotFoundError(errno.ENOENT, "it was replaced while it was open")

    def _cut_to(self, length: int) -> None:
        # Also when nothing is to be cut: the records that were just read may
        # stand in the page cache only.
        os.ftruncate(self._descriptor, length)
        os.fsync(self._descriptor)
        sync_folder(self._path.parent)


def open_intents(records: tuple[Record, ...]) -> tuple[Intent, ...]:
    """Intents that no Done or Failed answers, oldest first."""
    answered = {r.intent for r in records if isinstance(r, Done | Failed)}
    return tuple(r for r in records if isinstance(r, Intent) and r.seq not in answered)


def broken(path: Path, error: OSError | None) -> JournalBroken:
    """The error for a file of the working directory that could not be written."""
    return JournalBroken(
        f"{path} cannot be written, so nothing more is changed.",
        details=str(error) if error else "An earlier write to it did not end well.",
        state="Every change so far is recorded there.",
        resolution="See that its disk has space and is healthy, then run the tool again.",
    )
