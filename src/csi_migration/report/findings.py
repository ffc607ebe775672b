"""Preflight's findings for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from csi_migration.model.finding import Finding, Severity
from csi_migration.report.jsonlines import SCHEMA_VERSION
from csi_migration.report.style import Paint
from csi_migration.report.wrapping import WIDTH, labelled

_PLAIN = Paint()
_ID_COLUMN = 23
_HEADINGS = {
    Severity.BLOCKER: "Blockers",
    Severity.WARNING: "Warnings",
    Severity.NOTE: "Notes",
    Severity.PASSED: "Passed",
}


def findings_text(findings: Sequence[Finding], *, width: int = WIDTH, paint: Paint = _PLAIN) -> str:
    """Groups by severity and a summary, the heaviest last: nearest to the prompt."""
    groups = [_group(severity, findings, width, paint) for severity in reversed(Severity)]
    return "\n".join([*filter(None, groups), f"{_summary(findings, paint)}\n"])


def findings_json(findings: Sequence[Finding]) -> str:
    """All findings and their count by severity, as one JSON object."""
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "findings",
        "findings": [asdict(f) | {"severity": f.severity.value} for f in findings],
        "summary": {severity.value: _count(findings, severity) for severity in Severity},
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _group(severity: Severity, findings: Sequence[Finding], width: int, paint: Paint) -> str:
    group = [f for f in findings if f.severity is severity]
    if not group:
        return ""
    heading = _colour(severity, paint)(f"{_HEADINGS[severity]} ({len(group)})")
    one = _passed if severity is Severity.PASSED else _one
    return f"{heading}\n" + "".join(one(finding, width) for finding in group)


def _passed(finding: Finding, width: int) -> str:
    """What passed is read as a list of checks: the subject is the set each time."""
    return labelled(f"  {finding.id} ", finding.message, width=width, column=_ID_COLUMN)


def _one(finding: Finding, width: int) -> str:
    told = f"{finding.subject}: {finding.message} [{finding.id}]"
    resolution = labelled("    To do: ", finding.resolution, width=width)
    return labelled("  ", told, width=width) + resolution


def _summary(findings: Sequence[Finding], paint: Paint) -> str:
    blockers = _count(findings, Severity.BLOCKER)
    verdict = paint.bad("Not ready") if blockers else paint.good("Ready")
    told = ", ".join(
        (
            _counted(blockers, "blocker"),
            _counted(_count(findings, Severity.WARNING), "warning"),
            _counted(_count(findings, Severity.PASSED), "check") + " passed",
        )
    )
    return f"{verdict} to migrate: {told}."


def _counted(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _colour(severity: Severity, paint: Paint) -> Callable[[str], str]:
    colours = {
        Severity.BLOCKER: paint.bad,
        Severity.WARNING: paint.warning,
        Severity.PASSED: paint.good,
    }
    return colours.get(severity, paint.strong)


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
