"""What is taken away is what comes back, and nothing is taken away that could not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine.actions import Actor
from csi_migration.engine.run import Run
from csi_migration.engine.whole_set import last_set
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.kube import Conflict, Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.seen import PodSeen, Presence, ReplicaSeen, SetSeen
from csi_migration.model.step import Act, Action
from tests.unit import snapshots
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster, Raw
from tests.unit.snapshots import changed

OPEN = Act(Action.OPEN_WINDOW)
SEEN = ReplicaSeen(SetSeen(Presence.OLD), PodSeen(Presence.OLD), {})


class Listing(MemoryCluster):
    """Lists a namespace's objects whatever their labels, and orphans like a server."""

    def list(
        self, resource: Resource, _namespace: str | None = None, *, labels: str = ""
    ) -> list[Raw]:
        del labels
        return [item for (plural, _), item in self.objects.items() if plural == resource.plural]

    def delete(self, *arguments: Any, propagation: str = "", **preconditions: Any) -> None:
        assert propagation == "Orphan"
        super().delete(*arguments, **preconditions)


def cluster_of_the_set() -> Listing:
    cluster = Listing()
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    for ordinal in (0, 1):
        cluster.put(resources.CLAIMS, snapshots.claim(ordinal))
    return cluster


def actor_on(cluster: Listing, directory: WorkingDirectory) -> Actor:
    plan = plan_of(snapshots.healthy())
    run = SimpleNamespace(
        systems=SimpleNamespace(client=cluster),
        plan=plan,
        directory=directory,
        known_sets=set(),
        goes_back=False,
        patiently=lambda _, look: look(),
    )
    fake = cast(Run, run)
    return Actor(fake, plan.replicas[0], lambda: last_set(fake), plan.statefulset_manifest)


@pytest.fixture
def directory(tmp_path: Path) -> WorkingDirectory:
    return WorkingDirectory.create(tmp_path, IDENTITY)


def label(cluster: Listing) -> None:
    found = cluster.get(resources.STATEFULSETS, "web")
    cluster.put(resources.STATEFULSETS, changed(found, "metadata/labels", {"owner": "new"}))


def test_what_somebody_labelled_while_the_swap_waited_comes_back(
    directory: WorkingDirectory,
) -> None:
    cluster = cluster_of_the_set()
    actor = actor_on(cluster, directory)
    label(cluster)

    kept = actor.parameters(OPEN)["statefulset"]
    actor.perform(OPEN, SEEN)
    assert kept["metadata"]["labels"] == {"owner": "new"}
    assert cluster.find(resources.STATEFULSETS, "web") is None


def test_a_set_that_changed_after_it_was_kept_is_not_taken_away(
    directory: WorkingDirectory,
) -> None:
    cluster = cluster_of_the_set()
    actor = actor_on(cluster, directory)
    actor.parameters(OPEN)
    label(cluster)

    with pytest.raises(Conflict):
        actor.perform(OPEN, SEEN)
    assert cluster.find(resources.STATEFULSETS, "web") is not None


@pytest.mark.parametrize("how", ["gone", "going"])
def test_the_set_stays_while_a_claim_of_any_replica_is_missing(
    directory: WorkingDirectory, how: str
) -> None:
    cluster = cluster_of_the_set()
    actor = actor_on(cluster, directory)
    actor.parameters(OPEN)
    if how == "gone":
        del cluster.objects["persistentvolumeclaims", "data-web-0"]
    else:
        claim = cluster.get(resources.CLAIMS, "data-web-0")
        going = changed(claim, "metadata/deletionTimestamp", "2026-01-01T00:00:00Z")
        cluster.put(resources.CLAIMS, going)

    with pytest.raises(NeedsPerson, match="data-web-0"):
        actor.perform(OPEN, SEEN)
    assert cluster.find(resources.STATEFULSETS, "web") is not None
