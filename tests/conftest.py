"""Fixtures: one lab for the whole run, and StatefulSets on trial in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab import cluster
from lab.layout import Layout
from lab.manifests import Workload

# The kit asserts too; pytest shows what failed only in modules that it has rewritten.
pytest.register_assert_rewrite(
    "tests.lab.labkit", "tests.lab.migration", "tests.lab.every_migration"
)

from tests.lab.labkit import Lab, Trial  # noqa: E402

StartTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of this run's own; stopped at its end, its logs stay in pytest's folder."""
    layout = Layout(tmp_path_factory.mktemp("lab"))
    try:
        yield Lab(layout, cluster.up(layout))
    finally:
        cluster.down(layout)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A namespace's name for this test alone; nothing is made yet."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())
    return words[:60].strip("-")


@pytest.fixture
def trial(lab: Lab, namespace: str, tmp_path: Path) -> Iterator[StartTrial]:
    """Starts StatefulSets on in-tree volumes: `trial(replicas=2)`.

    Takes the fields of Workload, and `where="admin"` for a set in the admin
    cluster. Waits until all replicas are Ready; cleans up after the test.
    """
    with ExitStack() as opened:

        def start(where: str = "user", **fields: Any) -> Trial:
            if where == "admin":
                lab.allow_admin_workloads()
            workload = Workload(**{"namespace": namespace, **fields})
            made = Trial(lab, workload, where, tmp_path / f"work-{workload.name}")
            return opened.enter_context(made)

        yield start
