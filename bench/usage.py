"""`python -m bench.usage FILE COMMAND…`: runs a command and writes what it used to the file.

It is a process of its own because a child's peak memory begins with its parent's (Linux:
exec_mmap), and the benchmark's is larger than the tool's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.layout import REPOSITORY


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took: from start to end, of the processor, and its largest resident set."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


class CommandFailed(Exception):
    """The command ended with another exit code than 0; the message has the end of its output."""


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Usage:
    """Run the command to its end.

    Raises:
        CommandFailed: see there.
    """
    with tempfile.TemporaryDirectory() as folder:
        used = Path(folder) / "used.json"
        launcher = [sys.executable, "-S", "-E", "-m", "bench.usage", str(used)]
        exit_code, said = _output([*launcher, *command], {**os.environ, **(env or {})})
        if exit_code:
            raise CommandFailed(f"exit code {exit_code}: {' '.join(command)}\n{said[-3000:]}")
        return Usage(**json.loads(used.read_text()))


def _output(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output; whatever ends the wait ends what the command started, too."""
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, said


def main() -> int:
    """Run the command; its exit code."""
    used, *command = sys.argv[1:]
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    content = {
        "wall_seconds": round(time.monotonic() - begun, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_megabytes": round(usage.ru_maxrss / 1024, 1),
    }
    Path(used).write_text(json.dumps(content))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
