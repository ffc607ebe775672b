"""The way to an API server that takes time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.distance import distant

WAY = 0.2


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """Leads to a server that sends back what it gets, on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        cluster = {"server": f"https://127.0.0.1:{server.getsockname()[1]}"}
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({"clusters": [{"cluster": cluster}]}))
        yield path


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while chunk := connection.recv(1 << 20):
            connection.sendall(chunk)


def test_everything_comes_back_whole_and_late(kubeconfig: Path, tmp_path: Path) -> None:
    sent = bytes(range(256)) * 4096
    with distant(kubeconfig, WAY, tmp_path) as path, _connected(path) as connection:
        begun = time.monotonic()
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        found = b""
        while len(found) < len(sent):
            found += connection.recv(1 << 20)
        assert time.monotonic() - begun >= WAY
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert found == sent


def test_no_distance_is_the_very_kubeconfig(tmp_path: Path) -> None:
    with distant(tmp_path / "own.yaml", 0, tmp_path) as path:
        assert path == tmp_path / "own.yaml"


def _connected(kubeconfig: Path) -> socket.socket:
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2])))
