"""`preflight`: says what it found, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.labkit import ToolRun, Trial
from tests.lab.world import World

BLOCKED = 3
WRITES = (
    "AttachDisk_Task",
    "CnsCreateVolume",
    "CnsDeleteVolume",
    "DeleteVStorageObject_Task",
    "ReconfigVM_Task",
    "RegisterDisk",
    "SetVStorageObjectControlFlags",
)


@pytest.mark.parametrize("origin", ["registered", "by-path"])
def test_preflight_finds_a_sound_set_ready_and_changes_nothing(
    trial: StartTrial, origin: str
) -> None:
    started = trial(replicas=1, origin=origin)
    before, heard = _world(started), len(_audit(started))
    run = started.preflight("-o", "json")
    assert run.exit_code == 0, run
    found = _findings(run)
    assert found["summary"]["blocker"] == 0
    severities = {one["id"]: one["severity"] for one in found["findings"]}
    assert severities["single-replica"] == "warning"
    assert _world(started) == before
    made = {json.loads(line)["method"] for line in _audit(started)[heard:]}
    assert made
    assert made.isdisjoint(WRITES)


def test_preflight_lists_every_blocker_with_what_to_do(trial: StartTrial) -> None:
    started = trial(replicas=2)
    namespace = started.workload.namespace
    retention = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}
    started.cluster.patch("StatefulSet", "web", retention, namespace)
    budget = {"spec": {"maxUnavailable": 0}}
    started.cluster.patch("PodDisruptionBudget", "web", budget, namespace)
    until("a budget without room", lambda: _room(started) == 0)
    run = started.preflight("-o", "json")
    assert run.exit_code == BLOCKED, run
    found = _findings(run)
    blockers = [one for one in found["findings"] if one["severity"] == "blocker"]
    assert found["summary"]["blocker"] == len(blockers)
    assert {"claim-retention", "disruption-budget"} <= {one["id"] for one in blockers}
    assert [one["id"] for one in blockers if not one["resolution"]] == []


def _room(trial: Trial) -> int:
    budget = trial.cluster.get("PodDisruptionBudget", "web", trial.workload.namespace)
    return int(budget["status"]["disruptionsAllowed"])


def _findings(run: ToolRun) -> dict[str, Any]:
    (line,) = run.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert (found["schemaVersion"], found["type"]) == (1, "findings")
    return found


def _world(trial: Trial) -> World:
    return World.of(trial.cluster, trial.workload.namespace)


def _audit(trial: Trial) -> list[str]:
    return (trial.lab.layout.vcenter / "calls.jsonl").read_text().splitlines()
