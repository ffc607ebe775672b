"""Sets, disks and budgets that are not fit to be migrated: refused, and left as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import no_room_on_nodes
from tests.lab.labkit import Lab, Trial
from tests.lab.refusalkit import assert_refused, standing


@pytest.fixture(scope="module")
def shared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("sets")
    with standing(lab, folder, namespace="refused-sets", replicas=2) as made:
        yield made
        made.assert_untouched()


def test_a_replica_that_is_not_ready_blocks(shared: Trial, tmp_path: Path) -> None:
    with no_room_on_nodes(shared):
        shared.cluster.delete("Pod", "web-0", shared.workload.namespace)
        until("web-0 waits for a node", lambda: pending(shared, "web-0"))
        assert_refused(shared, tmp_path / "work", [], 3, "pod/web-0: it is not Ready")
    until("web-0 Ready again", shared.ready)


def pending(trial: Trial, name: str) -> bool:
    pod = trial.pods().get(name)
    return bool(
        pod
        and "deletionTimestamp" not in pod["metadata"]
        and not pod["spec"].get("nodeName")
        and any(
            each["type"] == "PodScheduled" and each["status"] == "False"
            for each in pod["status"].get("conditions", [])
        )
    )


def test_a_budget_without_room_blocks(shared: Trial, tmp_path: Path) -> None:
    set_budget(shared, 0)
    try:
        says = "poddisruptionbudget/web: it allows no disruption now"
        assert_refused(shared, tmp_path / "work", [], 3, says)
    finally:
        set_budget(shared, 1)


def set_budget(trial: Trial, max_unavailable: int) -> None:
    kind, name, namespace = "PodDisruptionBudget", "web", trial.workload.namespace
    patch = {"spec": {"maxUnavailable": max_unavailable}}
    trial.cluster.patch(kind, name, patch, namespace)

    def counted() -> bool:
        status = trial.cluster.get(kind, name, namespace).get("status", {})
        return bool(status.get("disruptionsAllowed") == max_unavailable)

    until(f"room for {max_unavailable}", counted)


@pytest.mark.parametrize("event", ["whenDeleted", "whenScaled"])
def test_claims_that_go_with_the_set_block(shared: Trial, tmp_path: Path, event: str) -> None:
    keep = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    set_retention(shared, keep | {event: "Delete"})
    try:
        says = f"persistentVolumeClaimRetentionPolicy.{event} is Delete"
        assert_refused(shared, tmp_path / "work", [], 3, says)
    finally:
        set_retention(shared, keep)
        until("claims without owners", lambda: not owned_claims(shared))


def set_retention(trial: Trial, policy: dict[str, str]) -> None:
    patch = {"spec": {"persistentVolumeClaimRetentionPolicy": policy}}
    change_set(trial, patch)


def owned_claims(trial: Trial) -> list[Object]:
    claims = trial.cluster.list("PersistentVolumeClaim", trial.workload.namespace)
    return [claim for claim in claims if claim["metadata"].get("ownerReferences")]


def test_a_set_with_a_finalizer_blocks(shared: Trial, tmp_path: Path) -> None:
    change_set(shared, {"metadata": {"finalizers": ["example.com/hold"]}})
    try:
        says = "finalizer example.com/hold would keep it from going away"
        assert_refused(shared, tmp_path / "work", [], 3, says)
    finally:
        change_set(shared, {"metadata": {"finalizers": None}})


def change_set(trial: Trial, patch: dict[str, Any]) -> None:
    """Patch the StatefulSet, and wait until its controller has seen that."""
    trial.cluster.patch("StatefulSet", trial.workload.name, patch, trial.workload.namespace)

    def seen() -> bool:
        found = trial.statefulset()
        return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])

    until("the change observed", seen)


def test_a_disk_that_was_moved_away_blocks(lab: Lab, shared: Trial, tmp_path: Path) -> None:
    path = shared.volumes()["data-web-1"]["spec"]["vsphereVolume"]["volumePath"]
    descriptor = file_of(lab, path)
    aside = descriptor.with_suffix(".elsewhere")
    descriptor.rename(aside)
    try:
        assert_refused(shared, tmp_path / "work", [], 3, "pvc/data-web-1:", "no VMDK", path)
    finally:
        aside.rename(descriptor)


def file_of(lab: Lab, path: str) -> Path:
    """The VMDK's descriptor; the bytes lie beside it."""
    datastore, _, file = path.removeprefix("[").partition("] ")
    number = lab.facts.vcenter["datastores"].index(datastore)
    return lab.layout.vcenter / "datastores" / str(number) / file


def test_a_second_volume_on_the_same_disk_blocks(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    volume = made.volumes()["data-web-0"]
    other = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        # The lab's driver leaves it alone: it is about its path only.
        "metadata": {"name": "second-hand", "annotations": {"lab/attached-by-path": "true"}},
        "spec": {
            field: volume["spec"][field]
            for field in ("accessModes", "capacity", "storageClassName", "vsphereVolume")
        }
        | {"persistentVolumeReclaimPolicy": "Retain"},
    }
    made.cluster.create(other)
    try:
        says = "is also used by pv/second-hand"
        assert_refused(made, tmp_path / "work", [], 3, says)
    finally:
        made.cluster.delete("PersistentVolume", "second-hand")
    made.assert_untouched()


def test_a_set_that_was_migrated_already_is_told_so(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    first = made.migrate("--soak-seconds", "0")
    assert first.exit_code == 0, first
    made.assert_migrated()
    assert_refused(made, tmp_path / "again", [], 3, "it is already a CSI volume")
