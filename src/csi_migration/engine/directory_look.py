"""Looks at a working directory before there is anything in it."""

from __future__ import annotations

from pathlib import Path

from csi_migration.decide.backup_size import estimated_bytes
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.model.errors import Locked, UsageError
from csi_migration.model.snapshot import DirectoryLook, Snapshot


def look_at(directory: Path, snapshot: Snapshot) -> DirectoryLook:
    """Whether the migration of this set can begin in it; it is not touched."""
    try:
        WorkingDirectory.refuse_unless_usable(directory, estimated_bytes(snapshot))
    except (Locked, UsageError) as error:
        words = f"{error.message} {error.details}".strip()
        return DirectoryLook(str(directory), words, error.resolution)
    return DirectoryLook(str(directory))
