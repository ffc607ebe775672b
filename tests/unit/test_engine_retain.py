"""Delete is never given back to a volume that no living claim holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.engine.retain import give_back_policies, retain_everything
from csi_migration.engine.run import Run
from csi_migration.kube import Conflict, Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import Event, Notice
from csi_migration.model.objects import Raw
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed


class Journal:
    def __init__(self) -> None:
        self.intents: list[str] = []

    def intent(self, **fields: Any) -> int:
        self.intents.append(fields["step"])
        return len(self.intents)

    def done(self, _intent: int, _result: dict[str, Any]) -> None:
        return


def run_on(cluster: MemoryCluster, told: list[Event], policy: str = "Delete") -> Run:
    volume, claim = snapshots.volume(0), snapshots.claim(0)
    cluster.put(resources.VOLUMES, changed(volume, "metadata/finalizers", []))
    cluster.put(resources.CLAIMS, claim)
    planned = SimpleNamespace(
        name="data-web-0",
        old_volume="pvc-0",
        old_volume_uid="uid-pvc-0",
        new_volume="pvc-0-csi",
        reclaim_policy=policy,
    )
    fake = SimpleNamespace(
        made=set(),
        systems=SimpleNamespace(client=cluster),
        plan=SimpleNamespace(namespace="shop", replicas=[SimpleNamespace(claims=[planned])]),
        directory=SimpleNamespace(journal=Journal()),
        tell=told.append,
        guard=lambda: None,
        patiently=lambda _, look: look(),
        waiter=lambda *_: SimpleNamespace(seconds=0.0, pause=pytest.fail),
    )
    return cast(Run, fake)


def policy(cluster: MemoryCluster) -> str:
    volume = cluster.get(resources.VOLUMES, "pvc-0")
    return str(volume["spec"]["persistentVolumeReclaimPolicy"])


def test_every_volume_becomes_retain_and_gets_its_policy_back() -> None:
    cluster, told = MemoryCluster(), list[Event]()
    run = run_on(cluster, told)

    retain_everything(run)
    assert policy(cluster) == "Retain"
    give_back_policies(run)
    assert policy(cluster) == "Delete"
    assert not [event for event in told if isinstance(event, Notice)]


def test_a_volume_that_was_made_again_is_not_touched() -> None:
    cluster = MemoryCluster()
    run = run_on(cluster, [])
    cluster.put(resources.VOLUMES, changed(snapshots.volume(0), "metadata/uid", "another"))

    with pytest.raises(NeedsPerson):
        retain_everything(run)
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("volume", "status/phase", "Released"),
        ("volume", "spec/claimRef/uid", "another"),
        ("volume", "metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
        ("claim", "metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
        ("claim", "metadata/uid", "another"),
    ],
)
def test_delete_is_not_given_back_where_the_disk_would_go(kind: str, path: str, value: str) -> None:
    cluster, told = MemoryCluster(), list[Event]()
    run = run_on(cluster, told)
    retain_everything(run)
    resource, name = (
        (resources.VOLUMES, "pvc-0") if kind == "volume" else (resources.CLAIMS, "data-web-0")
    )
    cluster.put(resource, changed(cluster.get(resource, name), path, value))

    give_back_policies(run)
    assert policy(cluster) == "Retain"
    assert [event for event in told if isinstance(event, Notice)]


def test_delete_is_not_given_back_when_the_claim_is_gone() -> None:
    cluster, told = MemoryCluster(), list[Event]()
    run = run_on(cluster, told)
    retain_everything(run)
    del cluster.objects["persistentvolumeclaims", "data-web-0"]

    give_back_policies(run)
    assert policy(cluster) == "Retain"


def test_a_patch_to_retain_that_comes_late_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was held on its way until a later run had given the policy back."""
    cluster = MemoryCluster()
    run = run_on(cluster, [])
    sent: list[Raw] = []
    patch = cluster.patch

    def kept(resource: Resource, name: str, body: Raw, namespace: str | None = None) -> Raw:
        sent.append(body)
        return patch(resource, name, body, namespace)

    monkeypatch.setattr(cluster, "patch", kept)
    retain_everything(run)
    give_back_policies(run)

    with pytest.raises(Conflict):
        patch(resources.VOLUMES, "pvc-0", sent[0])
    assert policy(cluster) == "Delete"


def test_recycle_stays_retain() -> None:
    cluster = MemoryCluster()
    run = run_on(cluster, [], policy="Recycle")
    retain_everything(run)

    give_back_policies(run)
    assert policy(cluster) == "Retain"
