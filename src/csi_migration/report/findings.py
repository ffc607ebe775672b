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
_SUBJECTS_SHOWN = 3
_HEADINGS = {
    Severity.BLOCKER: "Blockers",
    Severity.NEEDS_ACCEPTANCE: "To accept",
    Severity.WARNING: "Warnings",
    Severity.NOTE: "Notes",
}


def findings_text(findings: Sequence[Finding], *, width: int = WIDTH, paint: Paint = _PLAIN) -> str:
    """Groups by severity and a summary, the heaviest last: nearest to the prompt."""
    groups = [_group(severity, findings, width, paint) for severity in reversed(_HEADINGS)]
    passed = _passed(findings, width, paint)
    return "\n".join([*filter(None, [passed, *groups]), f"{_summary(findings, paint)}\n"])


def findings_json(findings: Sequence[Finding]) -> str:
    """All findings and their count by severity, as one JSON object."""
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "findings",
        "findings": [asdict(f) | {"severity": f.severity.value} for f in findings],
        "summary": {severity.value: _count(findings, severity) for severity in Severity},
        "ready": not any(finding.forbids for finding in findings),
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _passed(findings: Sequence[Finding], width: int, paint: Paint) -> str:
    """What passed is read as a list: the subject is the set each time."""
    ids = [finding.id for finding in findings if finding.severity is Severity.PASSED]
    if not ids:
        return ""
    heading = _colour(Severity.PASSED, paint)(f"Passed ({len(ids)})")
    return f"{heading}\n" + labelled("  ", ", ".join(ids), width=width)


def _group(severity: Severity, findings: Sequence[Finding], width: int, paint: Paint) -> str:
    group = [f for f in findings if f.severity is severity]
    if not group:
        return ""
    heading = _colour(severity, paint)(f"{_HEADINGS[severity]} ({len(group)})")
    alike: dict[tuple[str, str, str, bool], list[Finding]] = {}
    for finding in group:
        key = (finding.id, finding.message, finding.resolution, finding.known)
        alike.setdefault(key, []).append(finding)
    return f"{heading}\n" + "".join(_one(each, width) for each in alike.values())


def _one(alike: Sequence[Finding], width: int) -> str:
    """The same thing about hundreds of volumes is said once."""
    first = alike[0]
    unknown = "" if first.known else "unknown: "
    accepted = ", accepted" if first.accepted else ""
    told = f"{_subjects(alike)}: {unknown}{first.message} [{first.id}{accepted}]"
    resolution = labelled("    To do: ", first.resolution, width=width)
    return labelled("  ", told, width=width) + resolution + _way_on(first, width)


def _subjects(alike: Sequence[Finding]) -> str:
    names = [finding.subject for finding in alike[:_SUBJECTS_SHOWN]]
    more = len(alike) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _way_on(finding: Finding, width: int) -> str:
    if finding.severity is not Severity.NEEDS_ACCEPTANCE or finding.accepted:
        return ""
    return labelled("    Or:    ", f"go on in spite of it with --accept {finding.id}", width=width)


def _summary(findings: Sequence[Finding], paint: Paint) -> str:
    forbidden = any(finding.forbids for finding in findings)
    verdict = paint.bad("Not ready") if forbidden else paint.good("Ready")
    to_accept = sum(f.forbids and f.severity is not Severity.BLOCKER for f in findings)
    told = (
        _counted(_count(findings, Severity.BLOCKER), "blocker"),
        f"{to_accept} to accept" if to_accept else "",
        _counted(_count(findings, Severity.WARNING), "warning"),
        _counted(_count(findings, Severity.PASSED), "check") + " passed",
    )
    return f"{verdict} to migrate: {', '.join(filter(None, told))}."


def _counted(count: int, word: str) -> str:
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def _colour(severity: Severity, paint: Paint) -> Callable[[str], str]:
    colours = {
        Severity.BLOCKER: paint.bad,
        Severity.NEEDS_ACCEPTANCE: paint.bad,
        Severity.WARNING: paint.warning,
        Severity.PASSED: paint.good,
    }
    return colours.get(severity, paint.strong)


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
