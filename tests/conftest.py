"""Fixtures: a lab for each process that runs tests, and StatefulSets on trial in it."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lab import cluster
from lab.layout import Layout
from lab.manifests import Workload
from lab.situation import situation
from lab.vcenter import LAST_WITHOUT_PROTECTION

# The kit asserts too; pytest shows what failed only in modules that it has rewritten.
pytest.register_assert_rewrite(
    "tests.lab.labkit",
    "tests.lab.migration",
    "tests.lab.every_migration",
    "tests.lab.readkit",
)

from tests.lab.labkit import Lab, Trial  # noqa: E402

# A busy machine is no failure.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

StartTrial = Callable[..., Trial]
LONGEST_NAMESPACE = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first: of several workers none is left alone with it in the end.

    A file's time is told by its tests on the lab; where that is wrong, by the mark `long`.
    The files of `tests/unit` fill what is left.
    """
    on_the_lab = Counter(item.path for item in items if "lab" in _fixtures(item))
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: (item.path not in long, -on_the_lab[item.path]))


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure, how the test's namespace stood: by the next look it is cleaned up."""
    report = yield
    found = getattr(item, "funcargs", {})
    if call.when == "call" and report.failed and {"lab", "namespace"} <= found.keys():
        name = found["namespace"]
        report.sections.append((f"namespace {name}", situation(found["lab"].cluster(), name)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what tests recorded of themselves; a worker has no terminal to print it on."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, told in report.user_properties:
                terminalreporter.write_line(f"{name}: {told}")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of this process's own (of several workers each has one); stopped at its end,
    its logs stay in pytest's folder. Its vCenter protects no disk that the tool does not.
    """
    layout = Layout(tmp_path_factory.mktemp("lab"))
    try:
        yield Lab(layout, cluster.up(layout, vcenter_version=LAST_WITHOUT_PROTECTION))
    finally:
        cluster.down(layout)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A namespace's name for this test alone; nothing is made yet."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    if len(words) <= LONGEST_NAMESPACE:
        return words
    # The parameters stand at the end: without them, one test would wait for another's namespace.
    whole = f"{zlib.crc32(words.encode()):08x}"
    return f"{words[: LONGEST_NAMESPACE - len(whole) - 1].strip('-')}-{whole}"


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
