"""The working directory of one migration: its lock, journal and backup files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from csi_migration.journal import condition
from csi_migration.journal.condition import JOURNAL, LOCK
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.files import make_folder, write_durably
from csi_migration.journal.journal import Clock, Journal, broken, timestamp, utc_now
from csi_migration.journal.lock import DirectoryLock
from csi_migration.journal.record import Identity


class WorkingDirectory:
    """A working directory that this process holds; leave it with `close` or `with`.

    Attributes:
        path: absolute.
        journal: open for appending.
        notice: what was mended on opening, empty when nothing was.
    """

    def __init__(self, path: Path, lock: DirectoryLock, journal: Journal, notice: str = "") -> None:
        self.path = path
        self.journal = journal
        self.notice = notice
        self._lock = lock

    @staticmethod
    def refuse_unless_usable(path: Path, needed_bytes: int = condition.LEAST_BYTES) -> None:
        """See that a migration can start in `path` and has room there, without touching it.

        Raises:
            UsageError: it is not empty, no directory, or cannot be written.
            Locked: another run is using it.
        """
        path = path.absolute()
        try:
            condition.refuse_unless_usable(path, needed_bytes)
        except OSError as error:
            raise condition.not_writable(path, error) from error

    @classmethod
    def create(cls, path: Path, identity: Identity, clock: Clock = utc_now) -> Self:
        """Make the folder, if need be, and start a migration in it.

        Raises:
            UsageError: it is not empty, no directory, or cannot be used;
                nothing was changed.
            Locked: another run is using it.
            JournalBroken: the disk failed while the journal was started.
        """
        path = path.absolute()
        with _as_refusal(path):
            condition.refuse_unless_usable(path)
        with _held_until_it_stands(path, clock) as lock:
            # Another run may have come and gone since the first look.
            with _as_refusal(path):
                condition.refuse_unless_empty(path)
            return cls(path, lock, Journal.create(path / JOURNAL, identity, clock))

    @classmethod
    def open(cls, path: Path, clock: Clock = utc_now) -> Self:
        """Take up the migration in a folder that `create` made.

        Raises:
            UsageError: there is no migration in it.
            Locked: another run is using it.
            JournalUnreadable: its journal is damaged, or of another version.
            JournalBroken: it cannot be written.
        """
        path = path.absolute()
        with _as_refusal(path):
            condition.refuse_without_journal(path)
        with _held_until_it_stands(path, clock) as lock:
            journal, notice = Journal.open(path / JOURNAL, clock)
            return cls(path, lock, journal, notice)

    @property
    def identity(self) -> Identity:
        """Which migration this is."""
        return self.journal.identity

    def save(self, name: str, data: bytes) -> str:
        """Put a backup file there for good; return its SHA-256 in hex.

        `name` may hold folders (`pods/web-0.json`). Saving the same bytes again
        is allowed. When this returns, the file is on the disk and recorded.

        Raises:
            JournalUnreadable: other bytes were saved under this name.
            JournalBroken: it cannot be written.
        """
        path, digest = self._file(name), hashlib.sha256(data).hexdigest()
        recorded = self.journal.saved_files().get(name)
        if recorded not in (None, digest):
            raise JournalUnreadable(
                f"{path} was saved before with other content; a backup is never replaced.",
                details=f"saved: sha256 {recorded}, now: sha256 {digest}",
                resolution="Start with another working directory.",
            )
        self._write(path, data)
        if recorded is None:
            self.journal.saved(name, digest)
        return digest

    def load(self, name: str) -> bytes:
        """Read a backup file; exactly what was saved.

        Raises:
            JournalUnreadable: it was never saved, is gone, or was changed since.
        """
        path, recorded = self._file(name), self.journal.saved_files().get(name)
        if recorded is None:
            raise JournalUnreadable(f"{path} was never saved by this migration.")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise JournalUnreadable(
                f"The backup {path} cannot be read.", details=str(error)
            ) from error
        if hashlib.sha256(data).hexdigest() != recorded:
            raise JournalUnreadable(
                f"The backup {path} was changed since it was saved.",
                resolution=f"Put the original back: its sha256 is {recorded}.",
            )
        return data

    def write_text(self, name: str, text: str) -> None:
        """Put a file for people there, such as the README; it may be written anew.

        Raises:
            JournalBroken: it cannot be written.
        """
        if name in self.journal.saved_files():
            raise ValueError(f"{name} is a backup file")
        self._write(self._file(name), text.encode())

    def discard(self) -> None:
        """Take the journal away again, so that the directory can be used as if it was never.

        For a run that was refused before it did anything; not with a backup in it.
        """
        if not self.journal.saved_files():
            (self.path / JOURNAL).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the next run in."""
        self.journal.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _file(self, name: str) -> Path:
        relative = PurePosixPath(name)
        if name != str(relative) or relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"{name!r} is no plain name of a file in the working directory")
        if name in (JOURNAL, LOCK) or relative.name.startswith("."):
            raise ValueError(f"{name!r} is not for backups")
        return self.path / relative

    def _write(self, path: Path, data: bytes) -> None:
        try:
            make_folder(path.parent)
            write_durably(path, data)
        except OSError as error:
            raise broken(path, error) from error


@contextmanager
def _held_until_it_stands(path: Path, clock: Clock) -> Iterator[DirectoryLock]:
    """Make the folder and take its lock; release it again if what follows fails."""
    holder = f"pid {os.getpid()} on host {os.uname().nodename} since {timestamp(clock())}"
    with _as_refusal(path):
        make_folder(path)
        lock = DirectoryLock.take(path / LOCK, holder)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


@contextmanager
def _as_refusal(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise condition.not_writable(path, error) from error
