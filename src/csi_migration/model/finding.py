"""What a check says about the StatefulSet, its volumes or the systems around it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding weighs, heaviest first."""

    BLOCKER = "blocker"
    NEEDS_ACCEPTANCE = "needs acceptance"
    WARNING = "warning"
    NOTE = "note"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One outcome of one check.

    Attributes:
        id: the check's name, which never changes (`claims-bound`).
        severity: what it means for the migration.
        subject: the object looked at (`pvc/data-web-0`).
        message: what was seen.
        resolution: what to do about it; empty when passed.
        known: False when the check could not tell; `message` says why.
        accepted: the person goes on in spite of it (`--accept ID`).
    """

    id: str
    severity: Severity
    subject: str
    message: str
    resolution: str = ""
    known: bool = True
    accepted: bool = False

    @property
    def forbids(self) -> bool:
        """Whether the migration may not begin with it."""
        if self.severity is Severity.NEEDS_ACCEPTANCE:
            return not self.accepted
        return self.severity is Severity.BLOCKER
