"""Two runs never work on one StatefulSet, and neither breaks the other's Lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from csi_migration.engine import lease as leases
from csi_migration.engine.lease import Lease, LeaseLost, has_expired, holder
from csi_migration.kube import Client, ReadFailed, resources
from csi_migration.model.errors import Locked
from tests.unit.memory_cluster import MemoryCluster

NAME = "csi-migration-web"


class Time:
    """Seconds since boot, moved by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(leases, "_seconds", clock)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return clock


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


def take(cluster: MemoryCluster) -> Lease:
    return Lease.take(cast(Client, cluster), "shop", "web")


def stand(cluster: MemoryCluster, identity: str, age: float) -> dict[str, Any]:
    renewed = datetime.now(UTC) - timedelta(seconds=age)
    spec = {
        "holderIdentity": identity,
        "leaseDurationSeconds": 60,
        "renewTime": renewed.isoformat(),
    }
    return cluster.put(resources.LEASES, {"metadata": {"name": NAME}, "spec": spec})


def test_a_lease_names_its_holder_and_goes_when_it_is_released(cluster: MemoryCluster) -> None:
    lease = take(cluster)

    assert cluster.get(resources.LEASES, NAME)["spec"]["holderIdentity"] == holder()
    lease.release()
    assert cluster.find(resources.LEASES, NAME) is None


def test_a_living_holder_locks_others_out(cluster: MemoryCluster) -> None:
    stand(cluster, "ann@laptop pid 7", age=5)

    with pytest.raises(Locked, match="ann@laptop"):
        take(cluster)
    assert cluster.writes == []


def test_a_dead_holders_lease_is_taken_over(cluster: MemoryCluster) -> None:
    stand(cluster, "ann@laptop pid 7", age=3600)

    take(cluster)
    assert cluster.get(resources.LEASES, NAME)["spec"]["holderIdentity"] == holder()


def test_a_holder_whose_clock_is_slow_is_seen_to_live(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand(cluster, "ann@laptop pid 7", age=3600)
    # While the newcomer watches, the holder renews.
    monkeypatch.setattr("time.sleep", lambda _: stand(cluster, "ann@laptop pid 7", age=3600))

    with pytest.raises(Locked):
        take(cluster)


def test_it_is_renewed_when_due_only(cluster: MemoryCluster, time: Time) -> None:
    lease = take(cluster)
    lease.keep()
    assert cluster.writes == [f"create {NAME}"]

    time.now += 11
    lease.keep()
    assert cluster.writes == [f"create {NAME}", f"replace {NAME}"]


def test_a_renewal_whose_answer_was_lost_is_still_ours(cluster: MemoryCluster, time: Time) -> None:
    lease = take(cluster)
    cluster.put(resources.LEASES, cluster.get(resources.LEASES, NAME))
    time.now += 11

    lease.keep()
    lease.release()
    assert cluster.find(resources.LEASES, NAME) is None


def test_a_lease_that_was_taken_over_ends_the_run_and_is_left_alone(
    cluster: MemoryCluster, time: Time
) -> None:
    lease = take(cluster)
    other = cluster.get(resources.LEASES, NAME)
    other["spec"]["holderIdentity"] = "ann@laptop pid 7"
    cluster.put(resources.LEASES, other)
    time.now += 11

    with pytest.raises(LeaseLost):
        lease.require()
    lease.release()
    assert cluster.get(resources.LEASES, NAME)["spec"]["holderIdentity"] == "ann@laptop pid 7"


def test_before_a_write_it_is_looked_at_even_if_its_renewal_is_not_due(
    cluster: MemoryCluster,
) -> None:
    lease = take(cluster)
    lease.require()
    stand(cluster, "ann@laptop pid 7", age=0)

    lease.keep()
    with pytest.raises(LeaseLost, match="taken over by ann@laptop pid 7"):
        lease.require()
    assert cluster.writes == [f"create {NAME}"]


def test_a_lease_that_was_deleted_ends_the_run_before_its_next_write(
    cluster: MemoryCluster,
) -> None:
    lease = take(cluster)
    del cluster.objects[resources.LEASES.plural, NAME]

    with pytest.raises(LeaseLost, match="was deleted"):
        lease.require()
    lease.release()
    assert cluster.writes == [f"create {NAME}"]


def test_another_runs_lease_is_not_deleted_on_the_way_out(cluster: MemoryCluster) -> None:
    lease = take(cluster)
    other = cluster.get(resources.LEASES, NAME)
    other["spec"]["holderIdentity"] = "ann@laptop pid 7"
    cluster.put(resources.LEASES, other)

    lease.release()
    assert cluster.find(resources.LEASES, NAME) is not None


def test_a_creation_whose_answer_was_lost_is_known_at_the_next_try(cluster: MemoryCluster) -> None:
    take(cluster)

    take(cluster)
    assert cluster.writes == [f"create {NAME}"]


def test_a_release_that_is_refused_for_a_moment_is_tried_again(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, delete, tries = take(cluster), cluster.delete, []

    def busy_twice(*arguments: Any, **named: Any) -> None:
        tries.append(1)
        if len(tries) <= 2:
            raise ReadFailed("busy")
        delete(*arguments, **named)

    monkeypatch.setattr(cluster, "delete", busy_twice)
    lease.release()
    assert cluster.find(resources.LEASES, NAME) is None


def test_a_release_after_a_renewal_whose_answer_was_lost_deletes_it(
    cluster: MemoryCluster,
) -> None:
    lease = take(cluster)
    cluster.put(resources.LEASES, cluster.get(resources.LEASES, NAME))

    lease.release()
    assert cluster.find(resources.LEASES, NAME) is None


def test_a_release_gives_up_when_the_server_stays_away(
    cluster: MemoryCluster, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = take(cluster)

    def away(*_: object, **__: object) -> None:
        time.now += 5
        raise ReadFailed("no answer")

    monkeypatch.setattr(cluster, "delete", away)
    with pytest.raises(ReadFailed):
        lease.release()


def test_while_the_api_is_away_waits_go_on_and_writes_do_not(
    cluster: MemoryCluster, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = take(cluster)

    def away(*_: object) -> None:
        raise ReadFailed("no answer")

    monkeypatch.setattr(cluster, "replace", away)
    time.now += 50
    lease.keep()
    with pytest.raises(ReadFailed):
        lease.require()


def test_a_lease_without_holder_or_time_has_expired() -> None:
    assert has_expired({"spec": {}}, datetime.now(UTC))
    assert has_expired({"spec": {"holderIdentity": "x"}}, datetime.now(UTC))
