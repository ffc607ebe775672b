"""Starts, recognises and stops the lab's processes.

A process is known by its pid and its start time, so that a pid which the
kernel gave to somebody else is never signalled.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import urllib3

from lab.waiting import PATIENCE, until

POLL_SECONDS = 0.05
# Outgoing connections have 32768 and above (net.ipv4.ip_local_port_range).
PORTS = range(20_000, 32_000)
ROW = 16


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the lab.

    Attributes:
        name: `kube-apiserver-user`; also the name of its log.
        pid: process id.
        started: start time in clock ticks since boot (`/proc/PID/stat`, field 22).
        command: what was started.
        log: where its stderr goes; its stdout goes beside it (`.out`).
        health: a URL that answers 200 once it works; empty for the lab's own
            programs, which print a line that starts with `ready`.
    """

    name: str
    pid: int
    started: int
    command: list[str]
    log: str
    health: str = ""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> int:
    """Clock ticks since boot, or 0 when the process is gone or a zombie."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    state, *fields = stat.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])


def start(name: str, command: list[str], logs: Path, health: str = "") -> Part:
    """Start `command` detached from this process, in a session of its own.

    Raises:
        OSError: the program cannot be executed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    fresh = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log.with_suffix(".out")), fresh, 0o644),
            (os.POSIX_SPAWN_OPEN, 2, str(log), append, 0o644),
        ],
        setsid=True,
    )
    return Part(name, pid, _start_time(pid), command, str(log), health)


def stop(parts: Sequence[Part], grace_seconds: float = 5) -> None:
    """SIGTERM all, and SIGKILL those that are still there after `grace_seconds`."""
    for part in parts:
        _signal(part, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(part.alive for part in parts) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for part in parts:
        _signal(part, signal.SIGKILL)
    # Whoever takes its place needs its ports.
    until("the end of all", lambda: not any(part.alive for part in parts))


def _signal(part: Part, number: int) -> None:
    with suppress(ProcessLookupError):
        if part.alive:
            os.kill(part.pid, number)


def wait_healthy(part: Part, ca: Path, seconds: float = PATIENCE) -> None:
    """Wait until the part works, but not longer than it lives.

    Raises:
        LabError: it ended or `seconds` are over; holds the end of its log.
    """
    deadline = time.monotonic() + seconds
    while not healthy(part, ca):
        if not part.alive:
            raise LabError(f"{part.name} ended before it was ready\n{_tail(part)}")
        if time.monotonic() > deadline:
            raise LabError(f"{part.name} is not ready after {seconds:.0f} s\n{_tail(part)}")
        time.sleep(POLL_SECONDS)


def healthy(part: Part, ca: Path) -> bool:
    """Whether the part lives and answers, or has said that it is ready."""
    return part.alive and (_answers(part.health, ca) if part.health else _says_ready(part))


def _answers(url: str, ca: Path) -> bool:
    try:
        answer = urllib3.PoolManager(ca_certs=str(ca)).request("GET", url, retries=False, timeout=2)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == HTTPStatus.OK


def _says_ready(part: Part) -> bool:
    return Path(part.log).with_suffix(".out").read_text().startswith("ready")


def _tail(part: Part, lines: int = 20) -> str:
    text = Path(part.log).read_text(errors="replace")
    return "\n".join([f"the end of {part.log}:", *text.splitlines()[-lines:]])


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 in a row that nobody listens on now.

    A lab keeps a row for as long as it lives, although some of its parts listen
    later or restart. So the ports are not of those that outgoing connections get,
    and two labs that start at the same moment look in different places first.

    Raises:
        LabError: there is no such row.
    """
    rows = len(PORTS) // ROW
    for number in range(os.getpid(), os.getpid() + rows):
        first = PORTS[number % rows * ROW]
        if all(map(_is_free, range(first, first + ROW))):
            return list(range(first, first + count))
    raise LabError(f"somebody listens in every row of {ROW} ports in {PORTS}; stop other labs")


def _is_free(port: int) -> bool:
    with socket.socket() as bound:
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
