"""Who may leave while another one is not Ready, and who may not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine.companions import (
    OthersNeedTheSet,
    await_room,
    require_others_ready,
    vanished,
)
from csi_migration.engine.run import Run
from csi_migration.journal.journal import timestamp, utc_now
from csi_migration.journal.record import Intent, ObjectRef
from csi_migration.kube import resources
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed


class Waited(Exception):
    """It would have waited."""


def run_with(*ready: bool, goes_back: bool, open_intents: tuple[Intent, ...] = ()) -> Run:
    """A run on two replicas that are Ready or not, lowest ordinal first."""
    cluster = MemoryCluster()
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    for ordinal, is_ready in enumerate(ready):
        conditions = [{"type": "Ready", "status": str(is_ready)}]
        pod = changed(snapshots.pod(ordinal), "status/conditions", conditions)
        cluster.put(resources.PODS, pod)

    def pause(reason: str) -> None:
        raise Waited(reason)

    journal = SimpleNamespace(open_intents=lambda: open_intents, seconds_since=lambda _: 5.0)
    run = SimpleNamespace(
        systems=SimpleNamespace(client=cluster),
        plan=plan_of(snapshots.healthy()),
        directory=SimpleNamespace(journal=journal),
        goes_back=goes_back,
        made=set(),
        in_hand=set(),
        patiently=lambda _, look: look(),
        waiter=lambda *_: SimpleNamespace(pause=pause),
        stop_if_asked=lambda: None,
    )
    return cast(Run, run)


def leave(run: Run) -> None:
    """All that is asked before web-1 leaves."""
    replica = run.plan.replicas[0]
    await_room(run, replica, lambda: None, lambda _: iter(()))
    require_others_ready(run, replica)


@pytest.mark.parametrize("ready", [(False, False), (True, False)])
def test_a_replica_that_serves_nobody_goes_back_whatever_the_others_are(
    ready: tuple[bool, bool],
) -> None:
    leave(run_with(*ready, goes_back=True))


@pytest.mark.parametrize("goes_back", [True, False])
def test_no_window_opens_while_a_set_may_still_come_into_it(*, goes_back: bool) -> None:
    creation = Intent(
        seq=7,
        time=timestamp(utc_now()),
        step="close-window",
        replica="",
        action="close-window",
        object=ObjectRef(kind="StatefulSet", name="web"),
        parameters={},
    )
    run = run_with(True, True, goes_back=goes_back, open_intents=(creation,))
    with pytest.raises(Waited, match="may still come"):
        leave(run)
    # Nor is anything done in one that was left open.
    del cast(MemoryCluster, run.systems.client).objects["statefulsets", "web"]
    with pytest.raises(Waited, match="may still come"):
        leave(run)


@pytest.mark.parametrize("goes_back", [True, False])
def test_a_replica_that_serves_waits_for_the_others_either_way(*, goes_back: bool) -> None:
    run = run_with(False, True, goes_back=goes_back)
    with pytest.raises(Waited, match="web-0 is not Ready"):
        await_room(run, run.plan.replicas[0], lambda: None, lambda _: iter(()))
    with pytest.raises(OthersNeedTheSet, match="web-0 is not Ready"):
        require_others_ready(run, run.plan.replicas[0])


def test_one_that_is_not_ready_keeps_nobody_from_going_back_together_with_it() -> None:
    run = run_with(False, True, goes_back=True)
    replica = run.plan.replicas[0]
    await_room(run, replica, lambda: None, lambda _: iter(()), {"web-0", "web-1"})


def test_forwards_nobody_leaves_while_another_one_is_not_ready() -> None:
    run = run_with(False, False, goes_back=False)
    with pytest.raises(Waited, match="web-0 is not Ready"):
        leave(run)


@pytest.mark.parametrize("goes_back", [True, False])
def test_a_replica_leaves_when_the_others_serve(*, goes_back: bool) -> None:
    leave(run_with(True, True, goes_back=goes_back))


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_was_evicted_has_vanished_though_its_object_stays(phase: str) -> None:
    run = run_with(True, True, goes_back=False)
    evicted = changed(snapshots.pod(0), "status/phase", phase)
    cast(MemoryCluster, run.systems.client).put(resources.PODS, evicted)
    assert vanished(run) == ["web-0"]
