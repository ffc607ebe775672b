"""What is taken away is what comes back, and nothing is taken away that could not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine.actions import Actor
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.run import Run
from csi_migration.engine.whole_set import last_set
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.errors import JournalBroken
from csi_migration.kube import Conflict, Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import Raw, uid_of
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.step import Act, Action
from tests.unit import snapshots
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed

OPEN = Act(Action.OPEN_WINDOW)
SEEN = ReplicaSeen(SetSeen(Presence.OLD), PodSeen(Presence.OLD), {})


class Cluster(MemoryCluster):
    """Is asked to orphan the pods of a set, and nothing else."""

    def delete(
        self, resource: Resource, *arguments: Any, propagation: str = "", **preconditions: Any
    ) -> None:
        assert propagation == ("Orphan" if resource == resources.STATEFULSETS else "")
        super().delete(resource, *arguments, **preconditions)


def cluster_of_the_set() -> Cluster:
    cluster = Cluster()
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    for ordinal in (0, 1):
        cluster.put(resources.CLAIMS, snapshots.claim(ordinal))
    return cluster


def actor_on(
    cluster: Cluster,
    directory: WorkingDirectory,
    made: set[str] | None = None,
    guard: Callable[[], None] = lambda: None,
) -> Actor:
    plan = plan_of(snapshots.healthy())
    run = SimpleNamespace(
        systems=SimpleNamespace(client=cluster),
        plan=plan,
        directory=directory,
        made=set() if made is None else made,
        goes_back=False,
        guard=guard,
        patiently=lambda _, look: look(),
        tell=lambda _: None,
    )
    fake = cast(Run, run)
    return Actor(fake, plan.replicas[0], lambda: last_set(fake), plan.statefulset_manifest)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[WorkingDirectory]:
    with WorkingDirectory.create(tmp_path, IDENTITY) as made:
        yield made


def label(cluster: Cluster) -> None:
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


def test_what_is_made_is_known_by_its_uid_from_then_on(directory: WorkingDirectory) -> None:
    """The server's record of who wrote it may be lost before the run is over."""
    cluster, made = cluster_of_the_set(), set[str]()
    answer = actor_on(cluster, directory, made).perform(Act(Action.CREATE_POD), SEEN)
    assert made == {answer["uid"]} == {uid_of(cluster.get(resources.PODS, "web-1"))}


def test_after_looks_that_took_long_the_lease_is_looked_at_once_more(
    directory: WorkingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may have taken it over meanwhile."""
    cluster, clock = cluster_of_the_set(), [0.0]

    def guard() -> None:
        raise LeaseLost("Lease csi-migration-web was taken over")

    def slow(*_: Any, **__: Any) -> list[Raw]:
        clock[0] += 31
        return [snapshots.claim(0), snapshots.claim(1)]

    actor = actor_on(cluster, directory, guard=guard)
    actor.parameters(OPEN)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr(cluster, "list", slow)
    with pytest.raises(LeaseLost):
        actor.perform(OPEN, SEEN)
    assert cluster.find(resources.STATEFULSETS, "web") is not None


def test_a_set_does_not_come_back_under_a_lease_that_was_lost_during_the_last_look(
    directory: WorkingDirectory,
) -> None:
    cluster = cluster_of_the_set()

    def guard() -> None:
        raise LeaseLost("Lease csi-migration-web was taken over")

    actor = actor_on(cluster, directory, guard=guard)
    del cluster.objects["statefulsets", "web"]
    with pytest.raises(LeaseLost):
        actor.perform(Act(Action.CLOSE_WINDOW), SEEN)
    assert cluster.find(resources.STATEFULSETS, "web") is None


# The last looks before a deletion ---------------------------------------------------

CLAIM, OLD, NEW = "data-web-1", "pvc-1", "pvc-1-csi"
DELETIONS = [
    Act(Action.DELETE_CLAIM, CLAIM),
    Act(Action.DELETE_CSI_CLAIM, CLAIM),
    Act(Action.DELETE_VOLUME, CLAIM),
    Act(Action.DELETE_CSI_VOLUME, CLAIM),
]
OF_CLAIMS = DELETIONS[:2]
each_deletion = pytest.mark.parametrize("act", DELETIONS, ids=lambda act: act.action.value)


def ready_to_delete() -> Cluster:
    """The window is open, and both volumes are Retain."""
    cluster = Cluster()
    retained = changed(snapshots.volume(1), "spec/persistentVolumeReclaimPolicy", "Retain")
    cluster.put(resources.CLAIMS, snapshots.claim(1))
    for name in (OLD, NEW):
        named = changed(retained, "metadata/name", name)
        cluster.put(resources.VOLUMES, changed(named, "metadata/uid", f"uid-{name}"))
    return cluster


def delete(cluster: Cluster, directory: WorkingDirectory, act: Act) -> None:
    """Perform it as it was decided before anybody changed anything."""
    actor_on(cluster, directory).perform(act, seen_in(ready_to_delete()))


def seen_in(cluster: Cluster) -> ReplicaSeen:
    def seen(resource: Resource, name: str) -> Seen:
        found = cluster.get(resource, name)["metadata"]
        return Seen(Presence.OLD, found["uid"], found["resourceVersion"])

    claim = ClaimSeen(
        claim=seen(resources.CLAIMS, CLAIM),
        bound=True,
        old_volume=seen(resources.VOLUMES, OLD),
        retain=True,
        new_volume=seen(resources.VOLUMES, NEW),
    )
    return ReplicaSeen(SetSeen(Presence.ABSENT), PodSeen(Presence.ABSENT), {CLAIM: claim})


def volume_of(act: Act) -> str:
    return NEW if "csi" in act.action.value else OLD


@each_deletion
def test_what_is_deleted_lies_in_the_directory_first(directory: WorkingDirectory, act: Act) -> None:
    cluster = ready_to_delete()
    was_there = set(cluster.objects)
    delete(cluster, directory, act)
    (gone,) = was_there - set(cluster.objects)
    assert gone[1] == (CLAIM if act in OF_CLAIMS else volume_of(act))
    (saved,) = (directory.path / "backup" / gone[0]).iterdir()
    assert f"uid-{gone[1]}" in saved.read_text()


@each_deletion
def test_what_cannot_be_saved_is_not_deleted(
    directory: WorkingDirectory, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    def full(*_: object) -> None:
        raise JournalBroken("no space left on device")

    cluster = ready_to_delete()
    monkeypatch.setattr(directory, "save", full)
    with pytest.raises(JournalBroken):
        delete(cluster, directory, act)
    assert cluster.writes == []


@each_deletion
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec/persistentVolumeReclaimPolicy", "Delete", "reclaim policy Delete"),
        ("metadata/uid", "another", "uid another"),
        ("spec/claimRef", None, "has lost its claimRef"),
        ("", None, "is gone"),
    ],
    ids=["Delete", "another uid", "no claimRef", "gone"],
)
def test_nothing_is_deleted_unless_its_volume_surely_keeps_the_disk(
    directory: WorkingDirectory, act: Act, path: str, value: str | None, words: str
) -> None:
    """Whatever was seen when it was decided."""
    cluster = ready_to_delete()
    name = volume_of(act)
    volume = cluster.objects.pop(("persistentvolumes", name))
    if path:
        cluster.put(resources.VOLUMES, changed(volume, path, value))

    with pytest.raises(NeedsPerson, match=f"volume {name}.*{words}"):
        delete(cluster, directory, act)
    assert cluster.writes == []


@pytest.mark.parametrize("act", OF_CLAIMS, ids=lambda act: act.action.value)
def test_no_claim_is_deleted_while_a_set_could_fill_its_place(
    directory: WorkingDirectory, act: Act
) -> None:
    cluster = ready_to_delete()
    again = changed(snapshots.statefulset(), "metadata/uid", "another")
    actor = actor_on(cluster, directory)
    cluster.put(resources.STATEFULSETS, again)
    with pytest.raises(NeedsPerson, match="created the StatefulSet again"):
        actor.perform(act, seen_in(ready_to_delete()))
    assert cluster.writes == []


@each_deletion
def test_what_changed_since_it_was_seen_is_not_deleted(
    directory: WorkingDirectory, act: Act
) -> None:
    cluster = ready_to_delete()
    for resource, name in ((resources.CLAIMS, CLAIM), (resources.VOLUMES, volume_of(act))):
        cluster.put(resource, cluster.get(resource, name))
    there = set(cluster.objects)
    with pytest.raises(Conflict):
        delete(cluster, directory, act)
    assert set(cluster.objects) == there


@pytest.mark.parametrize("act", OF_CLAIMS, ids=lambda act: act.action.value)
def test_a_claim_that_was_made_anew_is_not_deleted(directory: WorkingDirectory, act: Act) -> None:
    cluster = ready_to_delete()
    cluster.put(resources.CLAIMS, changed(snapshots.claim(1), "metadata/uid", "another"))
    with pytest.raises(NeedsPerson, match="another one now"):
        delete(cluster, directory, act)
    assert cluster.writes == []
