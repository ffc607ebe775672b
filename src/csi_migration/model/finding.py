"""What a check says about the StatefulSet, its volumes or the systems around it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding weighs, heaviest first."""

    BLOCKER = "blocker"
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
    """

    id: str
    severity: Severity
    subject: str
    message: str
    resolution: str = ""
