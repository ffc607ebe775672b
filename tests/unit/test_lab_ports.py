"""Where the lab's parts listen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import processes
from lab.processes import PORTS, ROW, LabError, free_ports


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(held: ExitStack, port: int) -> None:
    held.enter_context(socket.create_server(("127.0.0.1", port)))


def test_ports_are_none_that_an_outgoing_connection_could_get() -> None:
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert max(free_ports(ROW)) < 32_768 <= int(outgoing[0])


def test_a_row_in_which_somebody_listens_is_left_alone(held: ExitStack) -> None:
    before = free_ports(ROW)
    listen(held, before[-1])
    assert set(free_ports(1)).isdisjoint(before)


def test_a_lab_that_starts_at_the_same_moment_looks_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = free_ports(ROW)
    row = (mine[0] - PORTS[0]) // ROW
    monkeypatch.setattr(os, "getpid", lambda: row + 1)
    assert set(free_ports(ROW)).isdisjoint(mine)


def test_no_row_left_is_said(monkeypatch: pytest.MonkeyPatch, held: ExitStack) -> None:
    (port,) = free_ports(1)
    monkeypatch.setattr(processes, "PORTS", PORTS[port - PORTS[0] :][:ROW])
    listen(held, port)
    with pytest.raises(LabError, match="stop other labs"):
        free_ports(1)
