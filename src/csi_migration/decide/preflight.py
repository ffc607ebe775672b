"""Runs every check over one snapshot."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import Snapshot

_NOT_LOOKED_AT = "it was not looked at yet"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a check found: where, what, and what to do about it.

    Resolution and severity are the check's own, unless this problem has others.
    A problem that is not `known` says why the check could not tell.
    """

    subject: str
    message: str
    resolution: str = ""
    severity: Severity | None = None
    known: bool = True


Look = Callable[[Snapshot], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        id: its name, which never changes.
        severity: of what it finds.
        title: what holds when nothing is found.
        look: finds the problems.
        looks_at: what it reads, in Kubernetes' and vSphere's words.
        source: where the rule comes from (file:function, issue, document).
        resolution: what to do about what it finds.
        needs: the part of the snapshot without which it can't tell.
        if_given: the part that a person may give, without which it is not made.
    """

    id: str
    severity: Severity
    title: str
    look: Look
    looks_at: str = ""
    source: str = ""
    resolution: str = ""
    needs: str = ""
    if_given: str = ""

    @property
    def why(self) -> str:
        """Why it matters: what goes wrong otherwise."""
        return inspect.getdoc(self.look) or ""

    def can_tell(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot holds what this check looks at."""
        return not self.needs or bool(getattr(snapshot, self.needs))

    def is_made(self, snapshot: Snapshot) -> bool:
        """Whether what it is about was given."""
        return not self.if_given or getattr(snapshot, self.if_given) is not None


CHECKS: list[Check] = []


def check(
    id: str,  # noqa: A002  the finding's own word
    severity: Severity,
    title: str,
    *,
    looks_at: str,
    source: str,
    resolution: str,
    needs: str = "",
    if_given: str = "",
) -> Callable[[Look], Look]:
    """Add a function to the checks that preflight runs, in the order of the code.

    The function's docstring says why the check matters.
    """

    def add(look: Look) -> Look:
        made = Check(id, severity, title, look, looks_at, source, resolution, needs, if_given)
        CHECKS.append(made)
        return look

    return add


def findings(snapshot: Snapshot, only: Collection[str] = ()) -> tuple[Finding, ...]:
    """What every check says: its problems, that it passed, or that it could not tell.

    `only` are the ids of the checks to make; empty for all.
    """
    wanted = (each for each in CHECKS if not only or each.id in only)
    made = (each for each in wanted if each.is_made(snapshot))
    return tuple(finding for each in made for finding in _findings_of(each, snapshot))


def blockers(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that forbid the migration: blockers, and what nobody has accepted."""
    return tuple(finding for finding in found if finding.forbids)


def unknown(subject: str, message: str, resolution: str = "") -> Problem:
    """The check could not tell; `message` says why."""
    return Problem(subject, message, resolution, known=False)


def _findings_of(each: Check, snapshot: Snapshot) -> Iterator[Finding]:
    subject = snapshot.request.subject
    if not each.can_tell(snapshot):
        yield _finding(each, unknown(subject, _NOT_LOOKED_AT), snapshot)
        return
    problems = list(each.look(snapshot))
    for problem in problems:
        yield _finding(each, problem, snapshot)
    if not problems:
        yield Finding(each.id, Severity.PASSED, subject, each.title)


def _finding(each: Check, problem: Problem, snapshot: Snapshot) -> Finding:
    severity = problem.severity or _weight(each, problem)
    found = Finding(
        each.id,
        severity,
        problem.subject,
        problem.message,
        problem.resolution or each.resolution,
        problem.known,
    )
    acceptable = severity is Severity.NEEDS_ACCEPTANCE
    return replace(found, accepted=acceptable and each.id in snapshot.request.accepted)


def _weight(each: Check, problem: Problem) -> Severity:
    """What can't be known is neither passed nor failed: a person may take it on."""
    if not problem.known and each.severity is Severity.BLOCKER:
        return Severity.NEEDS_ACCEPTANCE
    return each.severity
