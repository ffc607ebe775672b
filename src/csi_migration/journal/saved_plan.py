"""A plan that was saved to be looked at and begun later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from csi_migration.journal.files import write_durably
from csi_migration.model.errors import UsageError
from csi_migration.model.outline import Outline

_SCHEMA = 1
_TYPE = "saved-plan"


class SavedPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan was made for and what it rests on.

    Attributes:
        cluster_uid: of the namespace kube-system.
        request: the flags that matter, by name.
        basis: what matters of each object, by subject.
        outline: what was shown.
    """

    tool_version: str
    cluster_uid: str
    request: dict[str, str]
    basis: dict[str, dict[str, Any]]
    outline: Outline
    schema: int = _SCHEMA
    type: str = _TYPE


def save_plan(path: Path, saved: SavedPlan) -> None:
    """Write it durably, for its owner only: it holds annotations and labels.

    Raises:
        UsageError: it can't be written there.
    """
    data = msgspec.json.format(msgspec.json.encode(saved), indent=1)
    try:
        write_durably(path, data)
    except OSError as error:
        raise UsageError(
            f"the plan cannot be written to {path}",
            details=str(error),
            state="Nothing was changed.",
            resolution="Give another file with --out.",
        ) from error


def load_plan(path: Path) -> SavedPlan:
    """What `save_plan` wrote.

    Raises:
        UsageError: there is no plan, or none that this version reads.
    """
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=SavedPlan)
    except OSError as error:
        raise _unusable(path, str(error)) from error
    except msgspec.DecodeError as error:
        raise _unusable(path, f"it is no plan of this tool, or damaged: {error}") from error
    if (saved.schema, saved.type) != (_SCHEMA, _TYPE):
        raise _unusable(path, f"it is of schema {saved.schema}, this version reads {_SCHEMA}")
    return saved


def _unusable(path: Path, details: str) -> UsageError:
    return UsageError(
        f"the plan in {path} cannot be used",
        details=details,
        state="Nothing was changed.",
        resolution="Make a new one with `rolling-migration plan --out FILE`.",
    )
