"""How wide the page is that a command prints on, and whether it has colours."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any


def on_stdout(pipe_width: int = 100) -> dict[str, Any]:
    """`width` and `paint` for a report: the terminal's, or plain and of a fixed width."""
    from csi_migration.report.style import Paint, use_colour

    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((80, 24)).columns if is_terminal else pipe_width
    return {"width": width, "paint": Paint(use_colour(sys.stdout, "auto", os.environ))}
