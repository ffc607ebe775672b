"""Why a working directory or its journal cannot be used."""

from __future__ import annotations

from csi_migration.model.errors import NeedsPerson, Stopped


class JournalBroken(Stopped):
    """The working directory can no longer be written, so nothing more may be changed.

    Never answer it with another try: after a failed fsync a second one can
    report success although the data is lost (PostgreSQL's "fsyncgate").
    """


class JournalUnreadable(NeedsPerson):
    """What the working directory holds is damaged, or from another version of the tool."""
