"""Runs every check over one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check found: where, what, and what to do about it.

    `severity` is the check's own, unless this problem weighs differently.
    """

    subject: str
    message: str
    resolution: str = ""
    severity: Severity | None = None


Look = Callable[[Snapshot], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    `title` says what holds when nothing is found. `needs` names the part of the
    snapshot without which the check says nothing: not looked at is not passed.
    """

    id: str
    severity: Severity
    title: str
    look: Look
    needs: str = ""

    def can_tell(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot holds what this check looks at."""
        return not self.needs or bool(getattr(snapshot, self.needs))


CHECKS: list[Check] = []


def check(
    id: str,  # noqa: A002  the finding's own word
    severity: Severity,
    title: str,
    needs: str = "",
) -> Callable[[Look], Look]:
    """Add a function to the checks that preflight runs, in the order of the code."""

    def add(look: Look) -> Look:
        CHECKS.append(Check(id, severity, title, look, needs))
        return look

    return add


def findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """What every check says: its problems, or that it passed."""
    telling = (each for each in CHECKS if each.can_tell(snapshot))
    return tuple(finding for each in telling for finding in _findings_of(each, snapshot))


def blockers(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that forbid the migration."""
    return tuple(finding for finding in found if finding.severity is Severity.BLOCKER)


def _findings_of(each: Check, snapshot: Snapshot) -> Iterator[Finding]:
    problems = list(each.look(snapshot))
    for problem in problems:
        severity = problem.severity or each.severity
        yield Finding(each.id, severity, problem.subject, problem.message, problem.resolution)
    if not problems:
        subject = f"statefulset/{snapshot.request.statefulset}"
        yield Finding(each.id, Severity.PASSED, subject, each.title)
