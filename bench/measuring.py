"""What the measurements share: a lab in which nobody acts, and a command's cost."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.calls import resource
from lab import cluster, processes
from lab.facts import Facts
from lab.layout import Layout
from lab.vcenter import DRIVER

_TOOL = "migration-tool"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took: wall and processor seconds, peak memory, what it printed."""

    seconds: float
    processor_seconds: float
    peak_megabytes: int
    exit_code: int
    printed: bytes = field(repr=False)


@contextmanager
def lab() -> Iterator[tuple[Layout, Facts]]:
    """A lab of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        layout = Layout(Path(folder))
        try:
            yield layout, cluster.up(layout)
        finally:
            cluster.down(layout)


def quieten(known: Facts) -> None:
    """Stop whoever would act on thousands of objects whose pods do not run."""
    processes.stop([part for part in known.parts if not _is_needed(part.name)])


def run(command: list[str]) -> Cost:
    """Run it; its memory alone is told, not that of all children."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(command, stdout=printed, env=_environment())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        printed.seek(0)
        return Cost(
            seconds=round(seconds, 3),
            processor_seconds=round(used.ru_utime + used.ru_stime, 3),
            peak_megabytes=round(used.ru_maxrss / 1024),
            exit_code=process.returncode,
            printed=printed.read(),
        )


class Calls:
    """The tool's calls to both APIs from now on, by the servers' own logs."""

    def __init__(self, layout: Layout) -> None:
        self._logs = (
            layout.audit_log("user"),
            layout.vcenter / "calls.jsonl",
            layout.audit_log("admin"),
        )
        self._seen = [log.stat().st_size for log in self._logs]

    def kubernetes(self) -> dict[str, int]:
        """By verb and resource."""
        new = _entries(self._logs[0], self._seen[0])
        return _counted(_words(one) for one in new if one["user"]["username"] == _TOOL)

    def admin(self) -> dict[str, int]:
        """Those to the admin cluster, by verb and resource."""
        new = _entries(self._logs[2], self._seen[2])
        return _counted(_words(one) for one in new if one["user"]["username"] == _TOOL)

    def vcenter(self) -> dict[str, int]:
        """By method."""
        new = _entries(self._logs[1], self._seen[1])
        return _counted(one["method"] for one in new if one["user"] == DRIVER)


def _environment() -> dict[str, str]:
    """That of a user, who has compiled bytecode."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _is_needed(part: str) -> bool:
    return part.startswith(("etcd", "kube-apiserver", "vcenter"))


def _entries(log: Path, start: int) -> Iterator[dict[str, Any]]:
    with log.open() as lines:
        lines.seek(start)
        yield from map(json.loads, lines)


def _words(entry: dict[str, Any]) -> str:
    return f"{entry['verb']} {resource(entry)}"


def _counted(words: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
