"""A small API server and a client of it, for the tests that need nothing special of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from csi_migration.kube import Client
from tests.unit.kube_server import ApiServer, serving


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as running:
        yield running


@pytest.fixture
def client(server: ApiServer) -> Iterator[Client]:
    with server.client() as made:
        yield made
