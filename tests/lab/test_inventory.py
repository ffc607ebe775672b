"""`inventory`: what is there, with the command to type next; only reads."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.conftest import StartTrial
from tests.lab.labkit import Trial
from tests.lab.refusalkit import told


def inventory(made: Trial, *extra: str) -> dict[str, Any]:
    run = made.inventory("-o", "json", *extra)
    assert run.exit_code == 0, str(run)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_every_set_is_there_with_a_command_that_works(trial: StartTrial) -> None:
    made = trial(replicas=2, claims=("data", "logs"))
    namespace = made.workload.namespace
    other = trial(name="db", replicas=1)
    other.cluster.patch(
        "StatefulSet",
        "db",
        {"metadata": {"finalizers": ["shop.example/own"]}},
        made.workload.namespace,
    )
    try:
        found = inventory(made, "-n", namespace)
    finally:
        free = {"metadata": {"finalizers": None}}
        other.cluster.patch("StatefulSet", "db", free, namespace)

    web, db = found["sets"]
    assert (web["name"], web["verdict"], web["inTree"], web["csi"]) == ("web", "ready", 4, 0)
    assert (db["name"], db["verdict"], db["findings"]) == ("db", "blocked", ["set-finalizers"])
    assert found["looseVolumes"] == []
    assert found["csiClasses"] == ["standard-rwo", "standard-rwo-wffc"]
    program, *words = shlex.split(web["next"].replace("CSI_STORAGECLASS", "standard-rwo"))
    assert program == "statefulset-csi-migration-tool"
    run = made.run_tool(*words)
    assert run.exit_code == 0, str(run)


def test_a_migrated_set_is_gone_from_it_and_a_volume_of_nobody_is_told(trial: StartTrial) -> None:
    made = trial(replicas=1)
    namespace = made.workload.namespace
    assert [row["name"] for row in inventory(made, "-n", namespace)["sets"]] == ["web"]
    done = made.migrate("--soak-seconds", "0")
    assert done.exit_code == 0, str(done)

    assert inventory(made, "-n", namespace)["sets"] == []
    text = made.inventory("-n", namespace)
    assert "0 StatefulSets with 0 in-tree volumes" in text.stdout


def test_who_may_not_list_is_told_what_is_missing(trial: StartTrial) -> None:
    made = trial(replicas=1)
    kubeconfig = str(made.lab.layout.kubeconfig("admin", "tool"))
    run = made.run_tool("inventory", "--kubeconfig", kubeconfig)

    assert run.exit_code == 8, str(run)
    assert "may not list statefulsets.apps" in told(run)
    assert "rbac-inventory.yaml" in told(run)
