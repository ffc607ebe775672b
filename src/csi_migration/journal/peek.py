"""Looks into a working directory without holding it: for status, and for its flags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csi_migration.journal.condition import JOURNAL, refuse_without_journal
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.journal import open_intents
from csi_migration.journal.reading import read
from csi_migration.journal.record import (
    Identity,
    Intent,
    Record,
    RunStarted,
    Saved,
    reached_its_goal,
)
from csi_migration.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Peek:
    """What a working directory says at this moment; a run may be writing to it.

    Attributes:
        path: the directory.
        identity: which migration it is.
        records: all whole records.
    """

    path: Path
    identity: Identity
    records: tuple[Record, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """The flags of the last run, which had those of the runs before it; empty if none began.

        Of all runs are `most_unavailable`, the largest `max_unavailable`, which preflight
        has looked at, `accept`, and `has_health_command`, which a run without one does not
        undo.
        """
        started = [r.arguments for r in self.records if isinstance(r, RunStarted)]
        if not started:
            return {}
        return started[-1] | {
            "most_unavailable": max(each.get("max_unavailable", 1) for each in started),
            "accept": sorted({each for one in started for each in one.get("accept") or ()}),
            "has_health_command": any(each.get("has_health_command") for each in started),
        }

    @property
    def has_begun(self) -> bool:
        """Whether a run began; not while a lost directory is being made again."""
        return any(isinstance(r, RunStarted) for r in self.records)

    @property
    def last_command(self) -> str:
        """The command of the last run (`all`, `resume`, `rollback`)."""
        return str(self.arguments.get("command", "all"))

    @property
    def has_finished(self) -> bool:
        """Whether the last run reached its goal."""
        return reached_its_goal(self.records[-1])

    @property
    def was_taken_back(self) -> bool:
        """Whether the whole set was taken back, so that nothing is left to resume."""
        is_whole = not self.arguments.get("replica")
        return self.has_finished and self.last_command == "rollback" and is_whole

    @property
    def open_intents(self) -> tuple[Intent, ...]:
        """Writes whose outcome the journal does not know."""
        return open_intents(self.records)

    def load(self, name: str) -> bytes:
        """A backup file; exactly what was saved.

        Raises:
            UsageError: it was never saved.
            JournalUnreadable: it is gone or was changed since.
        """
        saved = {r.file: r.sha256 for r in self.records if isinstance(r, Saved)}
        if name not in saved:
            raise UsageError(
                f"The run in {self.path} ended before its backup was complete.",
                state="It had changed nothing.",
                resolution="Start again with `rolling-migration all` and another directory.",
            )
        path = self.path / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise JournalUnreadable(f"{path} cannot be read.", details=str(error)) from error
        if hashlib.sha256(data).hexdigest() != saved[name]:
            raise JournalUnreadable(
                f"{path} was changed since it was saved.",
                resolution=f"Put the original back: its sha256 is {saved[name]}.",
            )
        return data


def has_journal(path: Path) -> bool:
    """Whether a migration was begun in this directory."""
    return (path / JOURNAL).is_file()


def peek(path: Path) -> Peek:
    """Read the journal in a working directory.

    Raises:
        UsageError: there is no migration in it.
        JournalUnreadable: its journal is damaged, or of another version.
    """
    path = path.absolute()
    try:
        refuse_without_journal(path)
        reading = read((path / JOURNAL).read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read.", details=str(error)) from error
    return Peek(path, reading.created.identity, reading.records)
