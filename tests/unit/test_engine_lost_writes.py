"""A deletion whose answer was lost must not come true after the set went the other way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from csi_migration.engine import swap
from csi_migration.engine.lost_writes import creations_on_their_way, outdate_lost_writes
from csi_migration.engine.nudge import ANNOTATION, Nudge
from csi_migration.engine.run import Run
from csi_migration.engine.swap import Swap
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.journal import utc_now
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import Client, Conflict, NotFound, Resource, resources
from csi_migration.model.errors import ToolError
from csi_migration.model.objects import Raw, annotations_of
from csi_migration.model.plan import ReplicaPlan, Window
from tests.unit import snapshots
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed

OBJECTS = [
    (resources.CLAIMS, snapshots.claim(0)),
    (resources.VOLUMES, snapshots.volume(0)),
    (resources.STATEFULSETS, snapshots.statefulset()),
]
each_object = pytest.mark.parametrize(("resource", "item"), OBJECTS, ids=["claim", "volume", "set"])


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[WorkingDirectory]:
    with WorkingDirectory.create(tmp_path, IDENTITY) as made:
        yield made


class Trial:
    """A deletion that was sent and not answered; `arrive` is what becomes of it at last."""

    def __init__(self, directory: WorkingDirectory, resource: Resource, item: Raw) -> None:
        self.cluster, self.resource = MemoryCluster(), resource
        self.sent = dict(self.cluster.put(resource, item)["metadata"])
        reference = ObjectRef(kind=resource.kind, name=self.sent["name"], uid=self.sent["uid"])
        self.intent = directory.journal.intent(step="s", action="delete", object=reference)
        fake = SimpleNamespace(
            systems=SimpleNamespace(client=self.cluster),
            plan=SimpleNamespace(namespace="shop"),
            directory=directory,
            guard=lambda: None,
            patiently=lambda _, look: look(),
        )
        self.run = cast(Run, fake)

    @property
    def found(self) -> Raw:
        return self.cluster.get(self.resource, self.sent["name"])

    def arrive(self) -> None:
        self.cluster.delete(
            self.resource,
            self.sent["name"],
            uid=self.sent["uid"],
            resource_version=self.sent["resourceVersion"],
        )


@each_object
def test_a_deletion_that_was_not_answered_is_refused_when_it_comes(
    directory: WorkingDirectory, resource: Resource, item: Raw
) -> None:
    trial = Trial(directory, resource, item)
    outdate_lost_writes(trial.run)
    with pytest.raises(Conflict):
        trial.arrive()
    assert not annotations_of(trial.found).get(ANNOTATION)


@each_object
def test_one_that_comes_first_is_left_alone(
    directory: WorkingDirectory, resource: Resource, item: Raw
) -> None:
    trial = Trial(directory, resource, item)
    trial.arrive()
    trial.cluster.writes.clear()
    outdate_lost_writes(trial.run)
    assert trial.cluster.writes == []
    with pytest.raises(NotFound):
        trial.arrive()


@pytest.mark.parametrize(
    ("path", "value"),
    [("metadata/uid", "another"), ("metadata/deletionTimestamp", "2026-01-01T00:00:00Z")],
)
def test_what_is_made_anew_or_going_is_not_touched(
    directory: WorkingDirectory, path: str, value: str
) -> None:
    trial = Trial(directory, *OBJECTS[0])
    trial.cluster.put(resources.CLAIMS, changed(trial.found, path, value))
    trial.cluster.writes.clear()
    outdate_lost_writes(trial.run)
    assert trial.cluster.writes == []


@each_object
def test_what_goes_away_between_the_looks_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
    directory: WorkingDirectory,
    resource: Resource,
    item: Raw,
) -> None:
    trial = Trial(directory, resource, item)

    def gone(*_: Any) -> None:
        raise NotFound("it is not there", status=404)

    monkeypatch.setattr(trial.cluster, "patch", gone)
    outdate_lost_writes(trial.run)


def test_the_policy_of_a_volume_that_is_going_counts_still(directory: WorkingDirectory) -> None:
    trial = Trial(directory, *OBJECTS[1])
    going = changed(trial.found, "metadata/deletionTimestamp", "2026-01-01T00:00:00Z")
    trial.sent = dict(trial.cluster.put(resources.VOLUMES, going)["metadata"])
    outdate_lost_writes(trial.run)
    with pytest.raises(Conflict):
        trial.arrive()


def set_on_its_way(directory: WorkingDirectory, uid: str = "") -> None:
    """The creation of the set, or another write to it, was sent and not answered."""
    reference = ObjectRef(kind="StatefulSet", name="web", uid=uid)
    directory.journal.intent(step="close-window", action="close-window", object=reference)


def comes(directory: WorkingDirectory, started: float) -> bool:
    run = cast(Run, SimpleNamespace(directory=directory, started=started))
    return bool(list(creations_on_their_way(run, "web-0")))


@pytest.mark.parametrize(
    ("uid", "age", "may_come"),
    [("", 5, True), ("", 100, False), ("uid-web", 5, False)],
    ids=["just sent", "long ago", "a deletion"],
)
def test_a_set_whose_creation_was_not_answered_may_come_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
    directory: WorkingDirectory,
    uid: str,
    age: float,
    *,
    may_come: bool,
) -> None:
    began = time.monotonic()
    set_on_its_way(directory, uid)
    monkeypatch.setattr("time.monotonic", lambda: began + age)
    assert comes(directory, began - 1000) is may_come


@pytest.mark.parametrize("ahead", [-3600, 0, 3600], ids=["behind", "agrees", "ahead"])
@pytest.mark.parametrize(("since", "may_come"), [(5, True), (100, False)])
def test_what_an_earlier_run_sent_counts_from_this_ones_start_whatever_its_clock_said(
    tmp_path: Path, ahead: float, since: float, *, may_come: bool
) -> None:
    its_clock = utc_now() + timedelta(seconds=ahead)
    with WorkingDirectory.create(tmp_path / "work", IDENTITY, lambda: its_clock) as made:
        set_on_its_way(made)
    with WorkingDirectory.open(tmp_path / "work") as made:
        assert comes(made, time.monotonic() - since) is may_come


@pytest.mark.parametrize("kind", ["PersistentVolume", "PersistentVolumeClaim", "Pod"])
@pytest.mark.parametrize(
    ("sent_by", "goes_back", "replica", "is_waited_for"),
    [
        ("all", True, "web-0", True),
        ("resume", True, "web-0", True),
        ("rollback", False, "web-0", True),
        ("all", False, "web-0", False),
        ("rollback", True, "web-0", False),
        ("all", True, "web-1", False),
    ],
)
def test_what_a_run_that_went_the_other_way_was_making_is_waited_for(
    tmp_path: Path, kind: str, sent_by: str, replica: str, *, goes_back: bool, is_waited_for: bool
) -> None:
    """It would come between the volumes of the replica; the same way it is what is wanted."""
    with WorkingDirectory.create(tmp_path / "work", IDENTITY) as made:
        made.journal.run_started(tool_version="0.1.0", arguments={"command": sent_by})
        reference = ObjectRef(kind=kind, name="any")
        made.journal.intent(step="s", action="create", object=reference, replica=replica)
    with WorkingDirectory.open(tmp_path / "work") as made:
        made.journal.run_started(tool_version="0.1.0", arguments={"command": "the other"})
        run = SimpleNamespace(directory=made, started=time.monotonic(), goes_back=goes_back)
        found = list(creations_on_their_way(cast(Run, run), "web-0"))
        assert bool(found) is is_waited_for
        run.started -= 100
        assert list(creations_on_their_way(cast(Run, run), "web-0")) == []


@pytest.mark.parametrize(("still", "turns"), [(True, True), (False, False)])
def test_a_swap_is_undone_only_after_what_it_sent_is_outdated(
    monkeypatch: pytest.MonkeyPatch, *, still: bool, turns: bool
) -> None:
    """A deletion may come before it is: then its pod must not be given back."""
    told: list[str] = []
    answers = iter([True, still])

    def can_retreat(_: Swap) -> bool:
        told.append("looked")
        return next(answers)

    monkeypatch.setattr(swap, "outdate_lost_writes", lambda _: told.append("outdated"))
    monkeypatch.setattr(Swap, "_can_retreat", can_retreat)
    replica = cast(ReplicaPlan, SimpleNamespace(pod="web-0", pod_uid="uid", node="", claims=()))
    one = Swap(MagicMock(window=Window.REPLICA), replica, dict, {"spec": {}}, {"spec": {}})
    assert one.turn_back(ToolError("it failed")) is turns
    assert told == ["looked", "outdated", "looked"]


def test_a_deletion_that_was_answered_is_not_looked_after(directory: WorkingDirectory) -> None:
    trial = Trial(directory, *OBJECTS[0])
    directory.journal.failed(trial.intent, "refused")
    outdate_lost_writes(trial.run)
    assert trial.cluster.writes == []


def test_the_mark_of_a_run_that_died_in_between_is_taken_off(directory: WorkingDirectory) -> None:
    trial = Trial(directory, *OBJECTS[2])
    marked = changed(trial.found, "metadata/annotations", {ANNOTATION: "true"})
    trial.cluster.put(resources.STATEFULSETS, marked)
    outdate_lost_writes(trial.run)
    assert not annotations_of(trial.found).get(ANNOTATION)


def test_a_touch_that_comes_late_leaves_no_mark() -> None:
    cluster: Any = MemoryCluster()
    cluster.put(resources.CLAIMS, snapshots.claim(0))
    seen = cluster.get(resources.CLAIMS, "data-web-0")
    cluster.put(resources.CLAIMS, changed(seen, "status/phase", "Bound"))
    Nudge(cast(Client, cluster), "shop", lambda: None).touch(
        "data-web-0", seen["metadata"]["resourceVersion"]
    )
    assert ANNOTATION not in annotations_of(cluster.get(resources.CLAIMS, "data-web-0"))
