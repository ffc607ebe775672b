"""`plan`: what `all` then does, in that order; nothing is changed before."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.interruptkit import await_words, started
from tests.lab.labkit import ToolRun, Trial, finish
from tests.lab.refusalkit import assert_refusal, footprint, told

QUICK = ("--soak-seconds", "0")


def planned(made: Trial, *extra: str) -> ToolRun:
    return made.run_tool("rolling-migration", "plan", *made.options, *extra)


def journalled(directory: Path) -> list[tuple[str, str, str]]:
    """Replica, action and claim of every write on a replica, in the journal's order."""
    lines = (directory / "journal.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    parts = [one["step"].split("/") for one in records if one["type"] == "intent"]
    return [(p[0], p[1], p[2] if len(p) > 2 else "") for p in parts if p[0].startswith("web-")]


def claims_in_any_order(steps: list[tuple[str, str, str]]) -> list[list[tuple[str, str, str]]]:
    """Whose disk the driver lets go of first is its own business."""
    return [sorted(alike) for _, alike in groupby(steps, key=lambda step: step[:2])]


@pytest.mark.parametrize("window", ["replica", "run"])
def test_a_run_takes_the_steps_that_were_planned(trial: StartTrial, window: str) -> None:
    made = trial(replicas=2, claims=("data", "logs"), origin="by-path")
    before = footprint(made.cluster, made.workload.namespace)
    run = planned(made, "-o", "json", "--window", window, "--detailed-exit-code")
    assert run.exit_code == 4, str(run)
    assert footprint(made.cluster, made.workload.namespace) == before
    plan: dict[str, Any] = json.loads(run.stdout)

    done = made.migrate(*QUICK, "--window", window)
    assert done.exit_code == 0, str(done)
    made.assert_migrated()
    expected = [(s["replica"], s["action"], s["claim"]) for s in plan["steps"] if s["replica"]]
    assert claims_in_any_order(journalled(made.directory)) == claims_in_any_order(expected)
    again = planned(made, "--detailed-exit-code", "-o", "json")
    assert again.exit_code == 0, str(again)
    assert json.loads(again.stdout)["steps"] == []
    assert "Nothing to do" in told(again)


def test_a_dry_run_of_all_prints_the_plan_and_makes_no_directory(trial: StartTrial) -> None:
    made = trial(replicas=1)
    before = footprint(made.cluster, made.workload.namespace)
    run = made.migrate("--dry-run")

    assert run.exit_code == 0, str(run)
    assert "take the StatefulSet away, leaving its pods" in run.stdout
    assert not made.directory.exists()
    assert footprint(made.cluster, made.workload.namespace) == before


def test_a_dry_run_makes_a_plan_of_its_own_and_takes_none(
    trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=1)
    file = tmp_path / "plan.json"
    file.write_text("{}")
    assert_refusal(made.migrate("--dry-run", "--plan", str(file)), 2, "--plan is for a run")


def test_a_saved_plan_is_begun_while_nothing_has_moved(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=2)
    file, namespace = tmp_path / "plan.json", made.workload.namespace
    assert planned(made, "--out", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600

    made.cluster.delete("Pod", "web-0", namespace)  # a restart changes nothing of weight
    until("web-0 Ready again", made.ready)
    label = {"metadata": {"labels": {"team": "other"}}}
    made.cluster.patch("PersistentVolumeClaim", "data-web-1", label, namespace)
    before = footprint(made.cluster, namespace)
    stale = made.migrate("--plan", str(file), *QUICK)
    assert_refusal(stale, 3, "the plan is stale", "pvc/data-web-1: labels.team: None -> other")
    assert footprint(made.cluster, namespace) == before
    assert not made.directory.exists()

    back = {"metadata": {"labels": {"team": None}}}
    made.cluster.patch("PersistentVolumeClaim", "data-web-1", back, namespace)
    run = made.migrate("--plan", str(file), *QUICK)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_plan_of_something_else_is_no_plan(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    file = tmp_path / "plan.json"
    assert planned(made, "--out", str(file)).exit_code == 0

    other = made.migrate("--plan", str(file), "--window", "run")
    assert_refusal(
        other, 2, "the plan is not for what was asked", "window: replica in the plan, run now"
    )
    file.write_bytes(file.read_bytes()[:-40])
    damaged = made.migrate("--plan", str(file))
    assert_refusal(damaged, 2, "cannot be used", "or damaged")


def test_blockers_are_told_instead_of_a_plan(trial: StartTrial) -> None:
    made = trial(replicas=1)
    hold = {"metadata": {"finalizers": ["shop.example/hold"]}}
    made.cluster.patch("StatefulSet", "web", hold, made.workload.namespace)
    try:
        run = planned(made)
    finally:
        free: dict[str, Any] = {"metadata": {"finalizers": None}}
        made.cluster.patch("StatefulSet", "web", free, made.workload.namespace)
    assert run.exit_code == 3, str(run)
    assert run.stdout == ""
    assert "set-finalizers" in told(run)


def test_a_check_that_comes_to_fail_holds_the_next_replica_until_it_is_mended(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    namespace = made.workload.namespace
    second = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "backup", "namespace": namespace},
        "spec": {
            "containers": [{"name": "backup", "image": "lab/writer:1"}],
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data-web-0"}}],
            "nodeSelector": {"no": "node"},
        },
    }
    with started(made, *QUICK) as tool:
        await_words(tool, "web-1 delete-pod")
        made.cluster.create(second)
        await_words(tool, "pvc/data-web-0: pod backup uses it too [claims-unshared]")
        assert "deletionTimestamp" not in made.pods()["web-0"]["metadata"]
        made.cluster.delete("Pod", "backup", namespace)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()
