"""A full sync is asked for by the only id that does not wedge its trigger, and not endlessly."""

from __future__ import annotations

from typing import Any, cast

import pytest

from csi_migration.engine.full_sync import FullSync
from csi_migration.kube import Client, Forbidden, KubernetesError, ReadFailed, Resource, resources
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster, Raw

NAME = "csifullsync"
LONG = 60.0


class Triggers(MemoryCluster):
    """A cluster with the driver's trigger; `handle` is what its syncer does with a request."""

    def __init__(self, asked: int = 0, **status: Any) -> None:
        super().__init__()
        self.place(asked, status)

    def place(self, asked: int, status: Raw) -> None:
        """Write it, as anybody may."""
        trigger = {"metadata": snapshots.metadata(NAME), "spec": {"triggerSyncID": asked}}
        self.put(resources.FULL_SYNC_TRIGGERS, trigger | ({"status": status} if status else {}))

    @property
    def asked(self) -> int:
        return int(self.get(resources.FULL_SYNC_TRIGGERS, NAME)["spec"]["triggerSyncID"])

    def handle(self) -> None:
        """As the driver does: any id but the next one is refused, and stays."""
        last = self.get(resources.FULL_SYNC_TRIGGERS, NAME).get("status", {})
        expected = last.get("lastTriggerSyncID", 0) + 1
        if self.asked == expected:
            self.place(self.asked, {"lastTriggerSyncID": expected, "inProgress": False})


def syncing(cluster: MemoryCluster) -> FullSync:
    return FullSync(cast(Client, cluster), lambda: None)


@pytest.mark.parametrize("last", [0, 6])
def test_the_next_id_is_asked_for_and_the_one_after_it_only_when_it_was_handled(last: int) -> None:
    cluster = Triggers(last, lastTriggerSyncID=last)
    sync = syncing(cluster)
    for _ in range(3):
        sync.ask_when_due(LONG)
    assert (cluster.asked, len(cluster.writes)) == (last + 1, 1)

    cluster.handle()
    sync.ask_when_due(LONG)
    assert cluster.asked == last + 2


def test_the_usual_way_has_its_time_first() -> None:
    cluster = Triggers()
    syncing(cluster).ask_when_due(9.9)
    assert cluster.writes == []


def test_four_rounds_are_enough() -> None:
    cluster = Triggers()
    sync = syncing(cluster)
    for _ in range(9):
        sync.ask_when_due(LONG)
        cluster.handle()
    assert cluster.asked == 4


def test_a_driver_that_offers_none_is_not_asked() -> None:
    cluster = MemoryCluster()
    syncing(cluster).ask_when_due(LONG)
    assert cluster.writes == []


def test_where_the_feature_is_off_one_request_stands_and_nothing_more_is_written() -> None:
    """The kind is defined, but nobody handles it and it has no status."""
    cluster = Triggers()
    sync = syncing(cluster)
    for _ in range(9):
        sync.ask_when_due(LONG)
    assert (cluster.asked, cluster.writes) == (1, [f"patch {NAME}"])


@pytest.mark.parametrize("standing", [3, 9])
def test_an_id_of_somebody_that_wedged_the_trigger_is_put_right(standing: int) -> None:
    cluster = Triggers(standing, lastTriggerSyncID=5, inProgress=False)
    cluster.handle()
    assert cluster.asked == standing
    syncing(cluster).ask_when_due(LONG)
    assert cluster.asked == 6


def test_a_sync_that_goes_on_is_not_disturbed() -> None:
    cluster = Triggers(6, lastTriggerSyncID=5, inProgress=True)
    syncing(cluster).ask_when_due(LONG)
    assert cluster.writes == []


def test_who_asks_at_the_same_time_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Triggers(5, lastTriggerSyncID=5)
    find = cluster.find

    def somebody_writes_after(*arguments: Any) -> Raw | None:
        found = find(*arguments)
        cluster.place(9, {"lastTriggerSyncID": 8})
        return found

    sync = syncing(cluster)
    with monkeypatch.context() as context:
        context.setattr(cluster, "find", somebody_writes_after)
        sync.ask_when_due(LONG)
    assert cluster.asked == 9
    cluster.handle()
    sync.ask_when_due(LONG)
    assert cluster.asked == 10


@pytest.mark.parametrize("error", [Forbidden("no", status=403), ReadFailed("no answer")])
@pytest.mark.parametrize("call", ["find", "patch"])
def test_a_wait_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch, error: KubernetesError, call: str
) -> None:
    cluster = Triggers()
    sync = syncing(cluster)

    def fails(_resource: Resource, *_: object) -> None:
        raise error

    with monkeypatch.context() as context:
        context.setattr(cluster, call, fails)
        sync.ask_when_due(LONG)
    sync.ask_when_due(LONG)
    assert cluster.asked == 1
