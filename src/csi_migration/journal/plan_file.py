"""The plan of a migration as a file of the working directory."""

from __future__ import annotations

import msgspec

from csi_migration.journal.errors import JournalUnreadable
from csi_migration.model.plan import MigrationPlan

PLAN = "plan.json"
_SCHEMA = 1


class _PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    plan: MigrationPlan


def plan_bytes(plan: MigrationPlan) -> bytes:
    """The plan as JSON."""
    return msgspec.json.format(msgspec.json.encode(_PlanFile(_SCHEMA, plan)), indent=1)


def plan_from(data: bytes) -> MigrationPlan:
    """The plan that `plan_bytes` wrote; equal to it in every part.

    Raises:
        JournalUnreadable: it is of another version of the tool.
    """
    try:
        found = msgspec.json.decode(data, type=_PlanFile)
    except msgspec.DecodeError as error:
        raise _unreadable(str(error)) from error
    if found.schema != _SCHEMA:
        raise _unreadable(f"it is of schema {found.schema}, this version reads {_SCHEMA}")
    return found.plan


def _unreadable(words: str) -> JournalUnreadable:
    return JournalUnreadable(
        f"{PLAN} cannot be read by this version of the tool.",
        details=words,
        resolution="Use the version that began this migration, which the journal names.",
    )
