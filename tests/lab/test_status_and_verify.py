"""`rolling-migration status` and `verify`: what they tell, and that they only look."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.pki import edited_kubeconfig
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.interruptkit import QUICK, await_words, begun, held
from tests.lab.labkit import Running, Trial, finish
from tests.lab.lookkit import asked, looked
from tests.lab.refusalkit import assert_refusal

CLAIM = "PersistentVolumeClaim"


def gone(trial: Trial, kind: str, name: str) -> bool:
    return trial.cluster.find(kind, name, trial.workload.namespace) is None


def kill(running: Running) -> None:
    running.process.kill()
    running.process.wait()


def replica(status: dict[str, Any], pod: str) -> dict[str, Any]:
    return next(each for each in status["replicas"] if each["pod"] == pod)


def problems(verified: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["id"], each["subject"]) for each in verified["findings"] if not each["isOk"]}


def ids(status: dict[str, Any]) -> set[str]:
    return {each["id"] for each in status["disagreements"]}


# Status ------------------------------------------------------------------------------


def test_a_directory_without_a_migration_is_refused(tmp_path: Path) -> None:
    assert_refusal(asked("status", tmp_path), 2, "There is no migration", "To do:")


def test_status_of_a_run_at_work_names_its_holder_and_disturbs_nothing(trial: StartTrial) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as running:
        with held(made, "Pod", "web-1"):
            await_words(running, "web-1 pod-gone: waiting")
            run = asked("status", made.directory, "-o", "json")
            assert run.exit_code == 0, str(run)
        ended = finish(running)
    assert ended.exit_code == 0, str(ended)
    made.assert_migrated()
    told = json.loads(run.stdout)
    assert (told["lastRun"]["command"], told["lastRun"]["state"]) == ("all", "at-work")
    assert f"pid {running.process.pid}" in told["lease"]["holder"]
    assert told["lease"]["isAlive"] is True
    assert (told["setState"], replica(told, "web-1")["podState"]) == ("away", "leaving")
    assert replica(told, "web-1")["forwards"]["action"] == "pod-gone"
    assert (told["disagreements"], told["resume"]) == ([], "")


def test_status_of_a_killed_run_tells_where_it_was_and_what_to_type(trial: StartTrial) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as running, held(made, CLAIM, "data-web-1"):
        await_words(running, "claim data-web-1 is going away")
        kill(running)
        told = looked(made, "status")
        assert replica(told, "web-1")["forwards"]["action"] == "claim-gone"
    until("claim gone", lambda: gone(made, CLAIM, "data-web-1"))
    told = looked(made, "status")
    assert told["lastRun"]["state"] == "killed"
    assert told["lease"]["isAlive"] is False
    assert (told["setState"], told["disagreements"]) == ("away", [])
    away, stays = (replica(told, pod) for pod in ("web-1", "web-0"))
    assert (away["podState"], away["side"]) == ("away", "between volumes")
    assert (away["forwards"]["action"], away["back"]["action"]) == ("delete-volume",) * 2
    assert (stays["podState"], stays["side"]) == ("ready", "in-tree")
    assert told["resume"].endswith(f"resume --working-directory {made.directory}")
    text = asked("status", made.directory).stdout
    print(text)  # noqa: T201 - pytest shows it when the test fails
    assert told["resume"] in text
    assert told["rollback"] in text


def test_status_before_the_first_swap_finds_everything_in_its_place(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as running:
        kill(running)
        told = looked(made, "status")
    assert (told["setState"], told["lastRun"]["state"]) == ("in-place", "killed")
    only = replica(told, "web-0")
    assert (only["podState"], only["side"]) == ("ready", "in-tree")
    assert (only["forwards"]["action"], only["back"]["kind"]) == ("open-window", "nothing")
    assert told["disagreements"] == []


def test_status_warns_of_a_volume_that_somebody_set_back_to_delete(trial: StartTrial) -> None:
    made = trial(replicas=1)
    volume = made.volumes()["data-web-0"]["metadata"]["name"]
    with begun(made, *QUICK) as running:
        kill(running)
        set_policy(made, volume, "Delete")
    (only,) = looked(made, "status")["disagreements"]
    assert (only["id"], only["subject"]) == ("policy-changed", f"pv/{volume}")
    assert "would delete the disk" in only["resolution"]


def test_status_names_a_claim_that_somebody_else_made(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as running, held(made, CLAIM, "data-web-0"):
        await_words(running, "claim data-web-0 is going away")
        kill(running)
    until("claim gone", lambda: gone(made, CLAIM, "data-web-0"))
    made.cluster.create(strange_claim(made, "data-web-0"))
    told = looked(made, "status")
    only = replica(told, "web-0")
    assert ids(told) == {"unexplained"}
    assert "claim data-web-0" in told["disagreements"][0]["message"]
    assert (only["forwards"]["kind"], only["back"]["kind"]) == ("refuse", "refuse")
    found = problems(looked(made, "verify", exit_code=6))
    assert ("run-finished", "sts/web") in found
    assert ("set-in-place", "sts/web") in found
    assert ("claim-bound", "pvc/data-web-0") in found


def strange_claim(trial: Trial, name: str) -> dict[str, Any]:
    """Of a volume that is nowhere, so that no provisioner fills it."""
    return {
        "apiVersion": "v1",
        "kind": CLAIM,
        "metadata": {"name": name, "namespace": trial.workload.namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": "nowhere",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def test_status_and_verify_of_a_cluster_that_is_away(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as running:
        kill(running)
    closed = edited_kubeconfig(
        made.lab.layout.kubeconfig("admin", "tool"),
        tmp_path / "closed",
        cluster={"server": "https://127.0.0.1:1"},
    )
    for command in ("status", "verify"):
        assert_refusal(asked(command, made.directory, "--kubeconfig", str(closed)), 9, "To do:")


# Verify ------------------------------------------------------------------------------


def test_a_migration_is_verified_and_what_was_changed_since_is_named(trial: StartTrial) -> None:
    made = trial(replicas=2)
    run = made.migrate(*QUICK)
    assert run.exit_code == 0, str(run)
    told = looked(made, "verify")
    assert (told["isFinished"], told["summary"]["problem"]) == (True, 0)
    status = looked(made, "status")
    assert (status["disagreements"], status["resume"]) == ([], "")
    assert {each["side"] for each in status["replicas"]} == {"CSI"}
    assert {each["forwards"]["kind"] for each in status["replicas"]} == {"nothing"}
    text = asked("verify", made.directory).stdout
    print(text)  # noqa: T201 - pytest shows it when the test fails
    assert text.count("\n") == len(told["findings"]) + 1

    volume = made.volumes()["data-web-0"]["metadata"]["name"]
    set_policy(made, volume, "Retain")
    touch(made, "data-web-1", "true")
    (made.directory / "backup/pods/web-1.json").write_text("{}")
    assert problems(looked(made, "verify", exit_code=6)) == {
        ("volume-policy", f"pv/{volume}"),
        ("nothing-left", "pvc/data-web-1 csi-migration/touched"),
        ("backup-files", "file/backup/pods/web-1.json"),
    }
    assert ids(looked(made, "status")) == {"policy-changed"}

    with (made.directory / "plan.json").open("a") as plan:
        plan.write(" ")
    for command in ("status", "verify"):
        assert_refusal(asked(command, made.directory), 6, "plan.json was changed", "To do:")


def set_policy(trial: Trial, volume: str, policy: str) -> None:
    patch = {"spec": {"persistentVolumeReclaimPolicy": policy}}
    trial.cluster.patch("PersistentVolume", volume, patch)


def touch(trial: Trial, claim: str, value: str) -> None:
    patch = {"metadata": {"annotations": {"csi-migration/touched": value}}}
    trial.cluster.patch(CLAIM, claim, patch, trial.workload.namespace)


def test_a_migration_that_was_taken_back_is_verified_in_tree(trial: StartTrial) -> None:
    made = trial(replicas=1)
    assert made.migrate(*QUICK).exit_code == 0
    run = asked("rollback", made.directory, *QUICK, "--yes")
    assert run.exit_code == 0, str(run)
    assert looked(made, "verify")["summary"]["problem"] == 0
    status = looked(made, "status")
    assert (status["lastRun"]["command"], replica(status, "web-0")["side"]) == (
        "rollback",
        "in-tree",
    )
    assert (status["disagreements"], status["rollback"]) == ([], "")


def test_a_set_of_which_one_replica_was_taken_back_is_verified_on_both_sides(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    assert made.migrate(*QUICK, "--window", "run").exit_code == 0
    run = asked("rollback", made.directory, *QUICK, "--yes", "--replica", "1")
    assert run.exit_code == 0, str(run)
    assert looked(made, "verify")["summary"]["problem"] == 0
    status = looked(made, "status")
    assert [each["side"] for each in status["replicas"]] == ["in-tree", "CSI"]
    assert (status["disagreements"], status["window"]) == ([], "run")
    assert "resume" in status["resume"]


def test_a_damaged_journal_is_refused(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as running:
        kill(running)
    copy = tmp_path / "copy"
    shutil.copytree(made.directory, copy)
    journal = copy / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"run-started"', b'"run-begun__"', 1))
    assert_refusal(asked("status", copy), 6, "The journal is damaged", "To do:")


@pytest.mark.parametrize("command", ["status", "verify"])
def test_another_user_cluster_is_looked_for_and_not_taken_for_granted(
    trial: StartTrial, command: str
) -> None:
    made = trial(replicas=1, namespace=f"contradicted-{command}")
    with begun(made, *QUICK) as running:
        kill(running)
    run = asked(command, made.directory, "--cluster-name", "another")
    assert_refusal(run, 8, "may not read the kubeconfig of cluster 'another'")
