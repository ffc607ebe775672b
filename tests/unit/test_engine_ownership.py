"""The owners are given back once, to this very set, and never over what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from csi_migration.decide.ownership import MARKER
from csi_migration.engine import ownership
from csi_migration.engine.ownership import give_back_ownership
from csi_migration.kube import Client, Conflict, MaybeApplied, NotFound, Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import is_made_by_tool
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster, Raw
from tests.unit.snapshots import changed
from tests.unit.test_decide_ownership import BEFORE, GITOPS, OURS, owned

PATCH = "patch web"


class Faulty(MemoryCluster):
    """Does something else before or after the first patches, one for each of `faults`."""

    def __init__(self, *faults: Callable[[Faulty, Callable[[], Raw]], Raw]) -> None:
        super().__init__()
        self.faults = list(faults)
        self.preconditions: list[set[str]] = []

    def patch(self, resource: Resource, name: str, body: Raw, namespace: str | None = None) -> Raw:
        self.preconditions.append(set(body["metadata"]) - {"managedFields"})

        def plainly() -> Raw:
            return super(Faulty, self).patch(resource, name, body, namespace)

        return self.faults.pop(0)(self, plainly) if self.faults else plainly()


def changed_meanwhile(cluster: Faulty, patch: Callable[[], Raw]) -> Raw:
    live = cluster.get(resources.STATEFULSETS, "web")
    cluster.put(resources.STATEFULSETS, changed(live, "spec/replicas", 5))
    return patch()


def made_again_meanwhile(cluster: Faulty, patch: Callable[[], Raw]) -> Raw:
    live = cluster.get(resources.STATEFULSETS, "web")
    cluster.put(resources.STATEFULSETS, changed(live, "metadata/uid", "another"))
    return patch()


def answer_lost(_: Faulty, patch: Callable[[], Raw]) -> Raw:
    patch()
    raise MaybeApplied("cut off")


def request_lost(cluster: Faulty, _: Callable[[], Raw]) -> Raw:
    cluster.writes.append(PATCH)
    raise MaybeApplied("cut off")


def ignored(cluster: Faulty, _: Callable[[], Raw]) -> Raw:
    cluster.writes.append(PATCH)
    return cluster.get(resources.STATEFULSETS, "web")


def give_back(cluster: MemoryCluster, *, marked: bool = False, uid: str = "uid-web") -> None:
    client = cast(Client, cluster)
    give_back_ownership(client, snapshots.NAMESPACE, BEFORE, uid, marked=marked)


def on(cluster: MemoryCluster) -> MemoryCluster:
    cluster.put(resources.STATEFULSETS, owned(OURS))
    return cluster


def live(cluster: MemoryCluster) -> Raw:
    return cluster.get(resources.STATEFULSETS, "web")


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_PAUSE_SECONDS", 0.0)


def test_the_marker_is_left_first_and_taken_off_at_last() -> None:
    cluster = on(MemoryCluster())

    give_back(cluster, marked=True)
    assert live(cluster)["metadata"]["managedFields"][0] == GITOPS
    assert live(cluster)["metadata"]["managedFields"][-1] == MARKER
    give_back(cluster)
    assert live(cluster)["metadata"]["managedFields"][0] == GITOPS
    assert not is_made_by_tool(live(cluster))
    assert cluster.writes == [PATCH, PATCH]


@pytest.mark.parametrize("marked", [True, False])
def test_what_is_given_back_already_is_not_written_again(marked: bool) -> None:
    cluster = on(MemoryCluster())
    give_back(cluster, marked=marked)

    give_back(cluster, marked=marked)
    assert cluster.writes == [PATCH]


def test_nothing_but_the_owners_changes() -> None:
    cluster = on(MemoryCluster())
    was = live(cluster)
    give_back(cluster)

    now = live(cluster)
    for item in (was, now):
        del item["metadata"]["managedFields"], item["metadata"]["resourceVersion"]
    assert now == was


@pytest.mark.parametrize("fault", [changed_meanwhile, request_lost])
def test_what_was_not_applied_is_tried_again(
    fault: Callable[[Faulty, Callable[[], Raw]], Raw],
) -> None:
    cluster = on(Faulty(fault, fault))

    give_back(cluster)
    assert not is_made_by_tool(live(cluster))
    assert cluster.writes == [PATCH] * 3


def test_what_was_applied_is_not_tried_again() -> None:
    cluster = on(Faulty(answer_lost))

    give_back(cluster)
    assert not is_made_by_tool(live(cluster))
    assert cluster.writes == [PATCH]


@pytest.mark.parametrize(
    ("fault", "error"), [(changed_meanwhile, Conflict), (request_lost, MaybeApplied)]
)
def test_it_gives_up_after_some_tries(
    fault: Callable[[Faulty, Callable[[], Raw]], Raw], error: type[Exception]
) -> None:
    cluster = on(Faulty(*[fault] * 100))

    with pytest.raises(error):
        give_back(cluster)
    assert len(cluster.writes) == 10


def test_another_set_of_that_name_is_left_alone() -> None:
    cluster = on(MemoryCluster())
    with pytest.raises(NeedsPerson, match="uid-web"):
        give_back(cluster, uid="another")
    assert cluster.writes == []

    cluster = on(Faulty(made_again_meanwhile))
    with pytest.raises(NeedsPerson, match="another"):
        give_back(cluster)
    assert is_made_by_tool(live(cluster))


def test_the_write_names_the_set_and_the_version_that_were_compared() -> None:
    cluster = Faulty()
    on(cluster)

    give_back(cluster)
    assert cluster.preconditions == [{"uid", "resourceVersion"}]


def test_a_set_that_is_away_is_said_to_be() -> None:
    with pytest.raises(NotFound):
        give_back(MemoryCluster())


def test_a_server_that_ignores_the_list_is_noticed() -> None:
    with pytest.raises(NeedsPerson, match="keeps this tool"):
        give_back(on(Faulty(ignored)))


def test_no_owner_at_all_is_written_as_a_reset() -> None:
    cluster = on(MemoryCluster())
    before = changed(BEFORE, "metadata/managedFields", [])

    client = cast(Client, cluster)
    give_back_ownership(client, snapshots.NAMESPACE, before, "uid-web", marked=False)
    assert live(cluster)["metadata"]["managedFields"] == [{}]
