"""The tool itself, in its two windows."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.bed import Bed
from bench.usage import CommandFailed, Usage
from bench.usage import run as run_command
from bench.watching import Watching
from lab.client import Cluster
from lab.demo import tool, tool_options
from lab.manifests import Workload
from lab.waiting import until
from lab.workload import ready

TOOL_USER = "migration-tool"
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLED_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """Percent of a core that the tool takes while it has nothing to do but wait."""

    soak: float
    stopped_syncer: float


def migrate(bed: Bed, workload: Workload, window: str, soak: float, at_once: int = 1) -> Usage:
    """`rolling-migration all`, run to its end."""
    with bed.far("tool") as kubeconfig:
        command = _command(bed, workload, window, soak, kubeconfig)
        return run_command([*command, "--max-unavailable", str(at_once)])


def _command(bed: Bed, workload: Workload, window: str, soak: float, kubeconfig: Path) -> list[str]:
    return [
        *(str(tool()), "rolling-migration", "all"),
        *tool_options(kubeconfig, workload),
        *("--vcenter-config", str(bed.vcenter_config)),
        *("--working-directory", str(bed.layout.root / "work" / workload.namespace)),
        *("--window", window, "--soak-seconds", str(soak), "--yes"),
    ]


def while_waiting(bed: Bed, workload: Workload, seconds: float) -> Waiting:
    """Look at the tool while the driver's syncer stands still, and then in its first soak."""
    syncer = bed.facts.part("syncer-user").pid
    kubeconfig = bed.layout.kubeconfig("user", "tool")
    command = _command(bed, workload, "replica", seconds + _SETTLED_SECONDS, kubeconfig)
    with Watching(bed.user, workload.namespace) as watching, _started(command) as pid:
        until("a pod gone", lambda: _gone(watching))
        os.kill(syncer, signal.SIGSTOP)
        try:
            until("a volume gone", lambda: _volume_gone(watching))
            stopped = _percent(pid, seconds)
        finally:
            os.kill(syncer, signal.SIGCONT)
        until("Ready again", lambda: _first_on_csi(bed.user, workload))
        return Waiting(_percent(pid, seconds), stopped)


@contextmanager
def _started(command: list[str]) -> Iterator[int]:
    """The pid of the command; its end is not waited for."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _gone(watching: Watching) -> bool:
    return any(one.kind == "Pod" and one.change == "DELETED" for one in watching.seen)


def _volume_gone(watching: Watching) -> bool:
    return any(one.kind == "PersistentVolume" and one.change == "DELETED" for one in watching.seen)


def _first_on_csi(cluster: Cluster, workload: Workload) -> bool:
    """The replica of the highest ordinal is the first."""
    claims = cluster.list("PersistentVolumeClaim", workload.namespace)
    first = [one for one in claims if one["metadata"]["name"].endswith(workload.pod_names[-1])]
    classes = {one["spec"]["storageClassName"] for one in first}
    return classes == {"standard-rwo"} and ready(cluster, workload)


def _percent(pid: int, seconds: float) -> float:
    """After a second, in which what has just happened is dealt with."""
    time.sleep(1)
    before = _cpu_seconds(pid)
    time.sleep(seconds)
    return round(100 * (_cpu_seconds(pid) - before) / seconds, 2)


def _cpu_seconds(pid: int) -> float:
    """User and system time (`/proc/PID/stat`, fields 14 and 15).

    Raises:
        CommandFailed: the process has ended; a zombie's times would look like rest.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise CommandFailed("the tool ended while it was to be watched")
    return (int(fields[11]) + int(fields[12])) / _TICKS
