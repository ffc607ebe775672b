"""Whether a folder can be a working directory, found out without touching it."""

from __future__ import annotations

import os
from pathlib import Path

from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.files import temporary_for
from csi_migration.journal.lock import refuse_if_held
from csi_migration.journal.reading import read
from csi_migration.journal.record import reached_its_goal
from csi_migration.model.errors import UsageError

JOURNAL = "journal.jsonl"
LOCK = "lock"
LEAST_BYTES = 4 * 1024 * 1024
"""Room for the backup of a small set and a journal of many runs."""

_CHOOSE_ANOTHER = "Give a directory that is empty or does not exist yet, one for each StatefulSet."

_WAYS_ON = (
    "`rolling-migration resume` goes on with it, `rolling-migration rollback` takes it back, "
    "both with this --working-directory"
)


def refuse_unless_usable(path: Path, needed_bytes: int = LEAST_BYTES) -> None:
    """See that a migration can start in `path`, which may not exist yet.

    `needed_bytes` are to be free, and some even for a set that needs hardly any.

    Raises:
        UsageError: it cannot.
        Locked: another run is using it.
        OSError: it cannot be looked at.
    """
    if path.exists():
        if (path / JOURNAL).exists():
            refuse_if_held(path / LOCK)
        refuse_unless_empty(path)
    ground = next(p for p in (path, *path.parents) if p.exists())
    if not ground.is_dir():
        raise UsageError(f"{ground} is not a directory.", resolution=_CHOOSE_ANOTHER)
    if not os.access(ground, os.W_OK | os.X_OK):
        raise not_writable(path, PermissionError(f"no permission to write to {ground}"))
    _refuse_without_space(ground, max(needed_bytes, LEAST_BYTES))


def refuse_unless_empty(path: Path) -> None:
    """See that `path` holds nothing but what a run leaves that ended before its journal began.

    Raises:
        UsageError: it holds something, or is no directory.
        OSError: it cannot be looked at.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is not a directory.", resolution=_CHOOSE_ANOTHER)
    names = {entry.name for entry in path.iterdir()}
    if JOURNAL in names:
        raise _not_empty(path, _whose(path))
    strangers = sorted(names - {LOCK, temporary_for(path / JOURNAL).name})
    if strangers:
        raise _not_empty(path, f"it holds {_listed(strangers)}")


def refuse_without_journal(path: Path) -> None:
    """See that there is a migration in `path` to take up.

    Raises:
        UsageError: there is none.
        OSError: it cannot be looked at.
    """
    if not (path / JOURNAL).is_file():
        raise UsageError(
            f"There is no migration in {path}: it has no {JOURNAL}.",
            resolution="Give the working directory that the migration was started with.",
        )


def not_writable(path: Path, error: OSError) -> UsageError:
    """The error for a working directory that cannot be written to."""
    return UsageError(
        f"The working directory {path} cannot be written to.",
        details=str(error),
        state="Nothing was changed.",
        resolution=_CHOOSE_ANOTHER,
    )


def _not_empty(path: Path, what: str) -> UsageError:
    return UsageError(
        f"The working directory {path} is not empty: {what}.",
        state="Nothing was changed.",
        resolution=_CHOOSE_ANOTHER,
    )


def _listed(names: list[str], limit: int = 3) -> str:
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def _whose(path: Path) -> str:
    try:
        reading = read((path / JOURNAL).read_bytes())
    except (OSError, JournalUnreadable):
        return "it holds a migration whose journal cannot be read"
    identity, last = reading.created.identity, reading.records[-1]
    finished = reached_its_goal(last)
    whose = f"it holds the migration of StatefulSet {identity.namespace}/{identity.statefulset}"
    return f"{whose}, which {'finished' if finished else f'did not finish; {_WAYS_ON}'}"


def _refuse_without_space(ground: Path, needed_bytes: int) -> None:
    disk = os.statvfs(ground)
    free = disk.f_bavail * disk.f_frsize
    if free < needed_bytes:
        raise UsageError(
            f"There is no room for a working directory below {ground}: "
            f"{free // 1024} KiB are free, {needed_bytes // 1024} KiB are needed.",
            state="Nothing was changed.",
            resolution="Free some space, or give a directory on another disk.",
        )
