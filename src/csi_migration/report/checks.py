"""The catalogue of checks for people, as text and as the page docs/checks.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from csi_migration.decide.catalogue import FAMILIES, Check
from csi_migration.report.jsonlines import SCHEMA_VERSION
from csi_migration.report.wrapping import WIDTH, labelled

_PREFACE = """\
# What preflight checks

Made from the rules themselves by `make docs`; a test keeps the two equal. An id never changes.

* **blocker**: the migration does not begin.
* **needs acceptance**: it begins only with `--accept ID`, which the run records.
* **warning**, **note**: good to know; the migration begins.

A check that can't tell says so. That is not "passed": where the check would be a blocker, not
knowing needs acceptance. `statefulset-csi-migration-tool checks ID` prints one of these entries.
"""


def checks_text(checks: Sequence[Check], *, width: int = WIDTH) -> str:
    """One paragraph for each check."""
    return "\n".join(_paragraph(check, width) for check in checks)


def checks_list(checks: Sequence[Check], *, width: int = WIDTH) -> str:
    """One line for each check: its id, how much it weighs, what holds when it passes."""
    column = max(len(check.id) for check in checks) + 2
    lines = (
        labelled(check.id, f"{check.severity.value}: {check.title}", width=width, column=column)
        for check in checks
    )
    return "".join(lines)


def checks_json(checks: Sequence[Check]) -> str:
    """All columns of the catalogue, as one JSON object."""
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "checks",
        "checks": [_columns(check) for check in checks],
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def checks_markdown() -> str:
    """The page docs/checks.md."""
    parts = [_PREFACE]
    for title, checks in FAMILIES:
        parts.append(f"## {title}\n")
        parts.extend(_section(check) for check in checks)
    return "\n".join(parts)


def _columns(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "severity": check.severity.value,
        "title": check.title,
        "looksAt": check.looks_at,
        "why": check.why,
        "source": check.source,
        "resolution": check.resolution,
    }


def _paragraph(check: Check, width: int) -> str:
    rows = (
        ("  Holds:   ", check.title),
        ("  Reads:   ", check.looks_at),
        ("  Why:     ", check.why),
        ("  Source:  ", check.source),
        ("  To do:   ", check.resolution),
    )
    told = "".join(labelled(label, text, width=width) for label, text in rows)
    return f"{check.id} ({check.severity.value})\n{told}"


def _section(check: Check) -> str:
    rows = (
        ("reads", check.looks_at),
        ("why", " ".join(check.why.split())),
        ("source", check.source),
        ("to do", check.resolution),
    )
    told = "".join(f"* {label}: {text}\n" for label, text in rows)
    return f"### {check.id}\n\n*{check.severity.value}*. Holds when {check.title}.\n\n{told}"
