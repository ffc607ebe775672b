"""The hold after a swap, and what is done in its last seconds."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.engine import soak
from csi_migration.engine.run import Run
from csi_migration.engine.soak import Soak
from csi_migration.engine.swap import Swap
from csi_migration.kube import resources
from tests.unit.memory_cluster import MemoryCluster

UID = "uid-of-web-1"
POD = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": UID},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


class Clock:
    """Moves on only when somebody rests."""

    def __init__(self) -> None:
        self.now = 100.0

    def rest(self, *_: object) -> bool:
        self.now += 1.0
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.monotonic", lambda: made.now)
    monkeypatch.setattr(soak, "until_changed", made.rest)
    monkeypatch.setattr(soak, "settled_set", lambda _: None)
    return made


def held(clock: Clock, seconds: float, prepare: Callable[[], None]) -> float:
    """Hold web-1, which stays Ready; how long that took."""
    cluster, begun = MemoryCluster(), clock.now
    cluster.put(resources.PODS, POD)
    waiter: Any = SimpleNamespace(pause=lambda _, rest: rest(0.1))
    run: Any = SimpleNamespace(
        options=SimpleNamespace(soak=seconds, ready_timeout=60, health_command=""),
        plan=SimpleNamespace(min_ready_seconds=0, namespace="shop", statefulset="web"),
        systems=SimpleNamespace(client=cluster),
        waiter=lambda *_: waiter,
        patiently=lambda _, ask: ask(),
    )
    swap: Any = SimpleNamespace(pod="web-1", seen=SimpleNamespace(pod=SimpleNamespace(uid=UID)))
    Soak(cast(Run, run), lambda: None).hold([cast(Swap, swap)], prepare)
    return clock.now - begun


def test_the_next_replica_is_prepared_in_the_last_three_seconds(clock: Clock) -> None:
    at: list[float] = []
    assert held(clock, 10, lambda: at.append(clock.now - 100)) == 10
    assert at == [7, 8, 9]


def test_what_the_preparation_takes_does_not_come_on_top(clock: Clock) -> None:
    def prepare() -> None:
        clock.now += 2

    assert held(clock, 10, prepare) == 10


def test_without_a_hold_nothing_is_prepared(clock: Clock) -> None:
    assert held(clock, 0, lambda: pytest.fail("prepared")) == 0
