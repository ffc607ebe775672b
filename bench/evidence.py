"""What a measurement leaves behind for the documents: everything as JSON, and what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lab.layout import REPOSITORY

# What decides the figures; the documents are written after them.
_MEASURED = ("src", "lab", "bench", "requirements.txt")


def add_option(parser: ArgumentParser) -> None:
    """`--json FILE`."""
    parser.add_argument("--json", type=Path, help="write everything there")


def keep(path: Path, content: dict[str, object], printed: str) -> None:
    """Write it down with the command, the day and the commit."""
    about = {
        "command": command(sys.orig_argv[1:]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(),
        "cores": os.cpu_count(),
    }
    kept = {**about, **content, "printed": printed.splitlines()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def command(arguments: Sequence[str]) -> str:
    """What Python was started with, but for the file that is written."""
    told = list(arguments)
    while "--json" in told:
        at = told.index("--json")
        del told[at : at + 2]
    return " ".join(["python", *told])


def commit() -> str:
    """The commit's short hash; with a `+` when what is measured differs from it."""
    changed = _git("status", "--porcelain", "--", *_MEASURED)
    return _git("rev-parse", "--short=7", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
