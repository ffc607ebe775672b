"""Looks at a migration with the tool's own `status` and `verify`, which change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.demo import tool
from tests.lab.labkit import Running, ToolRun, Trial, finish
from tests.lab.readkit import only_reading


def asked(command: str, directory: Path, *extra: str) -> ToolRun:
    """`rolling-migration status` or `verify`, with nothing but the directory."""
    line = [str(tool()), "rolling-migration", command, "--working-directory", str(directory)]
    return finish(Running([*line, *extra], None))


def files_of(directory: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def looked(trial: Trial, command: str, exit_code: int = 0) -> dict[str, Any]:
    """The command's JSON; it may send nothing that writes, nor touch the directory."""
    files = files_of(trial.directory)
    with only_reading(trial) as (vcenter, _), TemporaryDirectory() as folder:
        place = ("--vcenter-config", str(vcenter.configuration(Path(folder) / "csi-vsphere.conf")))
        run = asked(command, trial.directory, "-o", "json", *place)
    assert run.exit_code == exit_code, str(run)
    assert files_of(trial.directory) == files
    told: dict[str, Any] = json.loads(run.stdout)
    return told
