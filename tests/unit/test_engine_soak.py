"""The hold after a swap, and what is done in its last seconds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.engine import soak
from csi_migration.engine.run import Run
from csi_migration.engine.soak import Soak, held_before
from csi_migration.journal.record import Intent, Note, ObjectRef, Record
from csi_migration.kube import resources
from csi_migration.model.errors import Stopped
from lab.waiting import until
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


def held(
    clock: Clock,
    seconds: float,
    prepare: Callable[[], None] = lambda: None,
    *,
    uid: str | None = UID,
    cluster: MemoryCluster | None = None,
    stop_if_asked: Callable[[], None] = lambda: None,
    health_command: str = "",
    told: list[str] | None = None,
    keep: Callable[[], None] = lambda: None,
) -> float:
    """Hold web-1, which is Ready unless the cluster says otherwise; how long that took."""
    begun = clock.now
    if cluster is None:
        cluster = MemoryCluster()
        cluster.put(resources.PODS, POD)
    notes: list[str] = []
    said = [] if told is None else told

    def pause(reason: str, rest: Callable[[float], bool]) -> None:
        said.append(reason)
        rest(0.1)

    waiter: Any = SimpleNamespace(pause=pause)
    run: Any = SimpleNamespace(
        options=SimpleNamespace(soak=seconds, ready_timeout=60, health_command=health_command),
        plan=SimpleNamespace(min_ready_seconds=0, namespace="shop", statefulset="web"),
        systems=SimpleNamespace(client=cluster),
        directory=SimpleNamespace(journal=SimpleNamespace(note=notes.append)),
        waiter=lambda *_: waiter,
        patiently=lambda _, ask: ask(),
        stop_if_asked=stop_if_asked,
        lease=SimpleNamespace(keep=keep),
    )
    Soak(cast(Run, run), lambda: None).hold({"web-1": uid}, prepare)
    assert notes == ["held: web-1"]
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


class SlowCluster(MemoryCluster):
    """Its pod becomes Ready after some looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks
        self.put(resources.PODS, POD | {"status": {}})

    def find(self, *arguments: Any) -> Any:
        self.looks -= 1
        if self.looks < 0:
            self.put(resources.PODS, POD)
        return super().find(*arguments)


def test_a_pod_that_nobody_has_seen_ready_is_waited_for_even_without_a_hold(clock: Clock) -> None:
    assert held(clock, 0, uid=None, cluster=SlowCluster(20)) >= 20


def test_the_hold_begins_when_it_is_ready(clock: Clock) -> None:
    assert held(clock, 10, uid=None, cluster=SlowCluster(20)) >= 30


def intent(seq: int, replica: str) -> Intent:
    pod = ObjectRef(kind="Pod", name=replica)
    return Intent(
        seq=seq, time=TIME, step="", replica=replica, action="delete-pod", object=pod, parameters={}
    )


TIME = "2026-11-24T00:00:00.000Z"


def test_who_was_held_counts_until_something_is_done_to_it_again() -> None:
    notes = [Note(seq=n, time=TIME, text=f"held: web-{n}") for n in (1, 2)]
    records: list[Record] = [intent(0, "web-1"), intent(0, "web-2"), intent(0, ""), *notes]
    assert held_before(records) == {"web-1", "web-2"}
    assert held_before([*records, intent(3, "web-1")]) == {"web-2"}


def test_who_asks_for_a_stop_does_not_wait_for_the_hold(clock: Clock) -> None:
    def stop() -> None:
        raise Stopped("as asked")

    with pytest.raises(Stopped):
        held(clock, 3600, stop_if_asked=stop)
    assert clock.now <= 101


@pytest.mark.parametrize(
    ("command", "said"),
    [("true", ""), ("exit 7", "exited with 7"), ("nonsense", "exited with 127")],
)
def test_how_a_health_command_failed_is_said(command: str, said: str) -> None:
    assert soak._tried(command, os.environ) == said


def test_a_pod_whose_health_command_fails_is_told_by_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.sleep", clock.rest)
    told: list[str] = []
    fails_twice = f'echo x >> {tmp_path}/tries; test "$(wc -l < {tmp_path}/tries)" = 3'
    held(clock, 2, health_command=fails_twice, told=told)
    assert [each for each in told if each != soak._HOLDING] == [
        "web-1: --health-command exited with 1",
        "web-1: --health-command exited with 1",
    ]


def test_the_lease_is_kept_before_each_health_command(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs takes half its life, and there may be several."""
    acts: list[str] = []

    def tried(*_: object) -> str:
        acts.append("tried")
        return "" if acts.count("tried") == 3 else "exited with 1"

    monkeypatch.setattr("time.sleep", clock.rest)
    monkeypatch.setattr(soak, "_tried", tried)
    held(clock, 2, health_command="check", keep=lambda: acts.append("kept"))
    assert acts == ["kept", "tried"] * 3


def test_what_a_health_command_has_begun_does_not_outlive_its_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = tmp_path / "child"

    class OutOfTime(subprocess.Popen[bytes]):
        """Its time is over as soon as it has begun something."""

        def wait(self, timeout: float | None = None) -> int:
            if timeout == soak._HEALTH_SECONDS:
                until("it began something", lambda: child.exists() and bool(child.read_text()))
                raise subprocess.TimeoutExpired(self.args, timeout)
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", OutOfTime)
    command = f"sleep 600 & echo $! > {child}; wait"
    assert soak._tried(command, os.environ) == "took longer than 30 s"
    until("the child is gone", lambda: not is_running(int(child.read_text())))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
