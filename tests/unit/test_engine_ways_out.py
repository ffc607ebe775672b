"""What a person is told to do does not make it worse."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from csi_migration.decide.next_step import retreat_step
from csi_migration.decide.plan import plan_of
from csi_migration.engine.companions import missing_claims, way_out_of_missing
from csi_migration.engine.run import Run
from csi_migration.engine.ways_out import way_out
from csi_migration.kube import resources
from csi_migration.model.plan import Window
from csi_migration.model.seen import ReplicaSeen
from csi_migration.model.step import Refuse
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.replica_world import (
    ABSENT,
    FOREIGN,
    GONE,
    ClaimState,
    SetState,
    World,
    replica_plan,
    seen_in,
)
from tests.unit.snapshots import changed

PLAN = plan_of(snapshots.healthy())
REPLICA = replica_plan("data")
POD, NAMESPACE = REPLICA.pod, PLAN.namespace
THERE, AWAY = SetState(), SetState(ABSENT, uid=0)


def seen(statefulset: SetState, *, bound: bool = False) -> ReplicaSeen:
    """A claim that somebody else made, under a pod."""
    world = World(claims=(ClaimState(presence=FOREIGN),), statefulset=statefulset)
    found = seen_in(world, {}, REPLICA, to_csi=True)
    return replace(found, claims={"data": replace(found.claims["data"], bound=bound)})


def test_under_a_living_set_its_pod_and_itself_go_first_then_the_claim() -> None:
    words = way_out(PLAN, REPLICA, seen(THERE))
    order = ["delete statefulset web --cascade=orphan", f"delete pod {POD}", "delete pvc data"]
    places = [words.index(each) for each in order]
    assert places == sorted(places)


def test_while_the_set_is_away_the_claim_goes_with_the_pod_that_holds_it() -> None:
    words = way_out(PLAN, REPLICA, seen(AWAY))
    assert "delete statefulset" not in words
    assert f"delete pod {POD}`, `kubectl -n {NAMESPACE} delete pvc data`" in words


@pytest.mark.parametrize("statefulset", [THERE, AWAY])
def test_a_claim_on_the_volume_of_the_migration_is_never_to_be_deleted(
    statefulset: SetState,
) -> None:
    words = way_out(PLAN, REPLICA, seen(statefulset, bound=True))
    assert "do not delete it" in words
    assert "delete pvc" not in words


# A pod in the place of another replica -------------------------------------------------


def test_a_pod_in_the_place_of_another_one_is_said_while_the_controller_waits_for_it() -> None:
    world = World(claims=(ClaimState(),), pod=GONE)
    found = seen_in(world, {}, REPLICA, to_csi=True)
    found = replace(found, strangers=("pod web-0 (uid 7)",))
    step = retreat_step(REPLICA, found, Window.REPLICA)
    assert isinstance(step, Refuse)
    assert "pod web-0 (uid 7) was made by somebody else" in step.reason
    assert f"`kubectl -n {NAMESPACE} delete pod web-0`" in way_out(PLAN, REPLICA, found)


# Claims of other replicas ----------------------------------------------------------------


def run_on(cluster: MemoryCluster) -> Run:
    return cast(Run, SimpleNamespace(systems=SimpleNamespace(client=cluster), plan=PLAN))


def test_a_claim_that_somebody_else_made_is_told_with_its_uid_and_its_volume() -> None:
    cluster = MemoryCluster()
    cluster.put(resources.CLAIMS, snapshots.claim(0))
    empty = changed(snapshots.claim(1), "spec/volumeName", "pvc-empty")
    cluster.put(resources.CLAIMS, changed(empty, "metadata/uid", "strange"))
    run = run_on(cluster)
    missing = missing_claims(run)
    assert [each.words for each in missing] == [
        "claim data-web-1 (uid strange, on volume pvc-empty) was made by somebody else"
    ]
    words = way_out_of_missing(PLAN, missing)
    assert "--cascade=orphan" in words
    assert "delete pod web-1" in words
    assert words.index("delete pod web-1") < words.index("delete pvc data-web-1")


def test_for_a_claim_that_is_not_there_nothing_is_to_be_deleted() -> None:
    cluster = MemoryCluster()
    cluster.put(resources.CLAIMS, snapshots.claim(0))
    run = run_on(cluster)
    missing = missing_claims(run)
    assert [each.words for each in missing] == ["claim data-web-1 is missing"]
    assert way_out_of_missing(PLAN, missing) == ""
