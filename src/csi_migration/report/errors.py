"""How an error is told to people and to machines."""

from __future__ import annotations

import json

from csi_migration.model.errors import ToolError
from csi_migration.report.jsonlines import SCHEMA_VERSION
from csi_migration.report.style import Paint
from csi_migration.report.wrapping import WIDTH, labelled

_PLAIN = Paint()


def error_text(error: ToolError, *, width: int = WIDTH, paint: Paint = _PLAIN) -> str:
    """What happened, what was said, how things stand, what to do; each labelled."""
    text = labelled("Error: ", error.message, width=width)
    parts = (("Said:", error.details), ("State:", error.state), ("To do:", error.resolution))
    return (
        paint.bad("Error:")
        + text.removeprefix("Error:")
        + "".join(
            labelled(f"  {label}", part, width=width, column=9) for label, part in parts if part
        )
    )


def error_json(error: ToolError) -> str:
    """The same as one JSON object on one line."""
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "error",
        "error": type(error).__name__,
        "exitCode": int(error.exit_code),
        "message": error.message,
        "details": error.details,
        "state": error.state,
        "resolution": error.resolution,
    }
    return json.dumps(content, ensure_ascii=False) + "\n"
