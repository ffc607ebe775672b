"""Right before each write a run looks whose the Lease is: two never write at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine import second_backup
from csi_migration.engine.lost_writes import outdate_lost_writes
from csi_migration.engine.nudge import ANNOTATION
from csi_migration.engine.retain import restore_policies, retain_everything
from csi_migration.engine.run import Options, Run, StopRequest
from csi_migration.engine.second_backup import save_the_second_backup
from csi_migration.engine.swap import Swap
from csi_migration.engine.tidy import tidy_up
from csi_migration.engine.whole_set import close_the_shared_window
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.record import ObjectRef
from csi_migration.kube import ReadFailed, resources
from csi_migration.model.plan import Window
from csi_migration.model.seen import PodSeen, Presence, ReplicaSeen, SetSeen
from csi_migration.model.step import Act, Action
from tests.unit import snapshots
from tests.unit.backup_cluster import CONTENT
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed
from tests.unit.test_decide_ownership import OURS, owned


class Guarded(MemoryCluster):
    """Refuses a write that is not right after a look at the Lease."""

    def __init__(self) -> None:
        super().__init__()
        self.is_looked_at = False

    def require(self) -> None:
        self.is_looked_at = True

    def keep(self) -> None:
        """Renewing it is no look at it."""

    def _note(self, write: str) -> None:
        assert self.is_looked_at, f"{write}: nobody had looked whose the Lease is"
        self.is_looked_at = False
        super()._note(write)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run on a set that is all there, with everything to do that is ever done to it."""
    monkeypatch.setattr(second_backup, "content_of", lambda _: CONTENT)
    cluster: Any = Guarded()
    with WorkingDirectory.create(tmp_path, IDENTITY) as directory:
        cluster.put(resources.STATEFULSETS, owned(OURS))
        for ordinal in (0, 1):
            marked = changed(snapshots.claim(ordinal), "metadata/annotations", {ANNOTATION: "true"})
            cluster.put(resources.CLAIMS, marked)
            volume = changed(snapshots.volume(ordinal), "metadata/finalizers", [])
            cluster.put(resources.VOLUMES, volume)
        yield Run(
            cast(Any, SimpleNamespace(client=cluster)),
            plan_of(snapshots.healthy()),
            Options(window=Window.RUN),
            directory,
            lease=cluster,
            tell=lambda _: None,
            stop=StopRequest(lambda: None),
        )


def cluster_of(run: Run) -> Guarded:
    return cast(Guarded, run.systems.client)


def test_policies_are_written_under_the_lease(run: Run) -> None:
    retain_everything(run)
    assert cluster_of(run).writes == ["patch pvc-1", "patch pvc-0"]
    restore_policies(run)
    assert cluster_of(run).writes == ["patch pvc-1", "patch pvc-0"] * 2


def test_lost_writes_are_outdated_under_the_lease(run: Run) -> None:
    claim = cluster_of(run).get(resources.CLAIMS, "data-web-0")
    cluster_of(run).put(resources.CLAIMS, changed(claim, "metadata/annotations", {}))
    kind, uid = resources.CLAIMS.kind, claim["metadata"]["uid"]
    lost = ObjectRef(kind=kind, name="data-web-0", namespace="shop", uid=uid)
    run.directory.journal.intent(step="s", action="delete-claim", object=lost)
    outdate_lost_writes(run)
    assert cluster_of(run).writes == ["patch data-web-0"] * 2


def test_the_second_backup_and_all_marks_are_made_and_go_under_the_lease(run: Run) -> None:
    save_the_second_backup(run)
    made = len(cluster_of(run).writes)
    assert made >= 1
    tidy_up(run)
    tidied = cluster_of(run).writes[made:]
    assert tidied[:2] == ["patch data-web-0", "patch data-web-1"]
    assert len([write for write in tidied if write.startswith("delete ")]) == made
    assert tidied[-1] == "patch web"


def test_the_set_and_the_owners_of_its_fields_come_back_under_the_lease(run: Run) -> None:
    del cluster_of(run).objects["statefulsets", "web"]
    close_the_shared_window(run, run.plan.statefulset_manifest, awaits_adoption=False)
    assert cluster_of(run).writes == ["create web", "patch web"]


def test_each_step_of_a_swap_is_taken_under_the_lease(run: Run) -> None:
    original = run.plan.original
    swap = Swap(run, run.plan.replicas[0], lambda: original, original, original)
    seen = ReplicaSeen(SetSeen(Presence.ABSENT), PodSeen(Presence.ABSENT), {})
    swap._act(Act(Action.CREATE_POD), seen)
    assert cluster_of(run).writes == ["create web-1"]


def test_a_look_at_the_lease_that_fails_is_no_try_of_the_step(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tries are few, and an API server that is away is waited for much longer."""

    def is_away() -> None:
        raise ReadFailed("no answer")

    original = run.plan.original
    swap = Swap(run, run.plan.replicas[0], lambda: original, original, original)
    seen = ReplicaSeen(SetSeen(Presence.ABSENT), PodSeen(Presence.ABSENT), {})
    monkeypatch.setattr(run.lease, "require", is_away)
    for _ in range(100):
        with pytest.raises(ReadFailed):
            swap._act(Act(Action.CREATE_POD), seen)
    assert cluster_of(run).writes == []
