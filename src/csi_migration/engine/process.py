"""Tells whether another process is surely dead.

A Lease outlives the process that held it. On the same machine the kernel knows
better than any clock: the boot, the pid namespace, the pid and its start time
together name one process for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_UNKNOWN = ""
_START_FIELD = 19  # of what follows the command's name, see proc(5)


def this_process() -> str:
    """`BOOT/NAMESPACE/PID/START` of this process; empty where there is no /proc."""
    here = _here()
    start = _start_of(os.getpid())
    return f"{here}/{os.getpid()}/{start}" if here and start else ""


def is_dead(process: str) -> bool:
    """Whether the process that wrote `process` (see `this_process`) has ended for sure.

    Never for one of another machine, another container, or before a reboot:
    from here it cannot be told.
    """
    where, _, start = process.rpartition("/")
    where, _, pid = where.rpartition("/")
    if not start or not pid.isdecimal() or where != _here():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there, and another user's
    return _start_of(int(pid)) not in (start, _UNKNOWN)


def _here() -> str:
    try:
        return f"{_BOOT.read_text().strip()}/{_NAMESPACE.stat().st_ino}"
    except OSError:
        return _UNKNOWN


def _start_of(pid: int) -> str:
    """Clock ticks since boot at which the process began; `zombie` for one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # /proc may be mounted so that it hides other users' processes
        return _UNKNOWN
    state, *fields = stat.rpartition(")")[2].split()
    return "zombie" if state in "ZX" else fields[_START_FIELD - 1]
