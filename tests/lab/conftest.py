"""What several modules stand on: a scene of single volumes, a healthy StatefulSet to plant in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.labkit import Lab, Trial
from tests.lab.misfitkit import found_anyhow
from tests.lab.refusalkit import standing
from tests.lab.scene import Scene


@pytest.fixture
def scene(lab: Lab, namespace: str) -> Iterator[Scene]:
    """A namespace of the test's own for single volumes."""
    with Scene(lab, namespace) as made:
        yield made


@pytest.fixture(scope="module")
def healthy(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Trial]:
    """A set of two replicas in a namespace that is called like the module."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    with standing(lab, tmp_path_factory.mktemp(name), namespace=name, replicas=2) as made:
        yield made
        made.assert_untouched()


@pytest.fixture(scope="module")
def usual(healthy: Trial) -> set[str]:
    """What preflight finds before anything is planted."""
    return found_anyhow(healthy)
