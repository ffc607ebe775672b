"""What was verified, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from csi_migration.model.evidence import Verdict, Verification
from csi_migration.report.jsonlines import SCHEMA_VERSION, camel
from csi_migration.report.wrapping import WIDTH, labelled

_WORDS = {True: "ok", False: "problem"}
_COLUMN = 9


def verification_text(found: Verification, *, width: int = WIDTH) -> str:
    """One verdict a line, with what to do below each problem, and a last line that sums up."""
    return "".join(_verdict(each, width) for each in found.verdicts) + _summary(found)


def verification_json(found: Verification) -> str:
    """All of it as one JSON object; docs/status.md says what its members mean."""
    members = camel(asdict(found))
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "verification",
        **{key: value for key, value in members.items() if key != "verdicts"},
        "findings": members["verdicts"],
        "summary": {
            "ok": len(found.verdicts) - len(found.problems),
            "problem": len(found.problems),
        },
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _verdict(verdict: Verdict, width: int) -> str:
    told = f"{verdict.subject}: {verdict.message} [{verdict.id}]"
    if verdict.is_ok:  # one a line, whatever its length: it is there to be counted
        return f"{_WORDS[True].ljust(_COLUMN)}{told}\n"
    line = f"{_WORDS[False].ljust(_COLUMN)}{told}\n"
    return line + labelled(" " * _COLUMN + "To do: ", verdict.resolution, width=width)


def _summary(found: Verification) -> str:
    name = f"{found.namespace}/{found.statefulset}"
    findings, problems = _counted(found.verdicts, "finding"), _counted(found.problems, "problem")
    if not found.problems:
        return f"All is well with {name}: {findings}, no problem.\n"
    return f"Not all is well with {name}: {problems} in {findings}.\n"


def _counted(items: Sequence[Verdict], word: str) -> str:
    return f"{len(items)} {word}{'' if len(items) == 1 else 's'}"
