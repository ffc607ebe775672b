"""Between a working directory and the copy of it that outlives the machine."""

from __future__ import annotations

from pathlib import Path

from csi_migration.journal.archive import Content
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.journal import Clock, utc_now
from csi_migration.journal.record import RunStarted


def content_of(directory: WorkingDirectory) -> Content:
    """What a second backup of this directory holds.

    Raises:
        JournalUnreadable: a backup file is gone or was changed, or no run ever began.
    """
    first = _first_run(directory)
    if first is None:
        raise JournalUnreadable(f"{directory.path} does not say how its migration began.")
    files = {name: directory.load(name) for name in directory.journal.saved_files()}
    return Content(directory.identity, first.arguments, files)


def restored(path: Path, content: Content, clock: Clock = utc_now) -> WorkingDirectory:
    """Make a working directory from a copy; every file has the SHA-256 that it had.

    Raises:
        UsageError: the folder is not empty, or cannot be used; nothing was changed.
        Locked: another run is using it.
        JournalBroken: it cannot be written.
        JournalUnreadable: the copy holds what no working directory may.
    """
    directory = WorkingDirectory.create(path, content.identity, clock)
    try:
        complete(directory, content)
    except BaseException:
        directory.close()
        raise
    return directory


def is_incomplete(directory: WorkingDirectory) -> bool:
    """Whether it was left while it was being made, here or by a run that began.

    Nothing was done on its account; `complete` finishes it from a copy.
    """
    return _first_run(directory) is None


def complete(directory: WorkingDirectory, content: Content) -> None:
    """Save what the copy holds and the directory does not; may be interrupted and repeated.

    The record that a run began comes last: a directory without it is not whole.

    Raises:
        JournalBroken: it cannot be written.
        JournalUnreadable: the directory holds other files under these names, is
            another migration's, or the copy holds what no working directory may.
    """
    if directory.identity != content.identity:
        raise JournalUnreadable(f"{directory.path} belongs to another migration than the copy.")
    for name, data in content.files.items():
        _save(directory, name, data)
    if is_incomplete(directory):
        directory.journal.note("restored from the backup in the cluster")
        version = content.identity.tool_version
        directory.journal.run_started(tool_version=version, arguments=content.arguments)


def _save(directory: WorkingDirectory, name: str, data: bytes) -> None:
    try:
        directory.save(name, data)
    except ValueError as error:
        # Whoever may write ConfigMaps must not write files outside the directory.
        raise JournalUnreadable(
            "The second backup holds a file that no working directory may.", details=str(error)
        ) from error


def _first_run(directory: WorkingDirectory) -> RunStarted | None:
    return next((r for r in directory.journal.records() if isinstance(r, RunStarted)), None)
