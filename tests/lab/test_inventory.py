"""`inventory`: what is there, with the command to type next; only reads."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import TOOL, mark
from tests.lab.interruptkit import QUICK, await_words, begun, held
from tests.lab.labkit import Trial, finish
from tests.lab.refusalkit import told

RBAC = "rbac.authorization.k8s.io/v1"
NAMESPACED = "statefulset-csi-migration-tool-namespace"
INVENTORY = "statefulset-csi-migration-tool-inventory"
CONFINED = "confined-inventory"


def inventory(made: Trial, *extra: str) -> dict[str, Any]:
    run = made.inventory("-o", "json", *extra)
    assert run.exit_code == 0, str(run)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def requests_since(made: Trial, line: int) -> list[Object]:
    """What the tool asked the cluster for since then, by the API server's audit log."""
    lines = made.lab.layout.audit_log(made.where).read_text().splitlines()[line:]
    entries: list[Object] = [json.loads(each) for each in lines]
    return [each for each in entries if each["user"]["username"] == TOOL and "objectRef" in each]


@contextmanager
def confined_to(made: Trial, namespace: str) -> Iterator[None]:
    """The tool's identity may list what is namespaced in that namespace alone."""
    bindings = [made.cluster.get("ClusterRoleBinding", name) for name in (NAMESPACED, INVENTORY)]
    rule = {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list"]}
    role = cluster_object("ClusterRole", rules=[rule])
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    subjects = bindings[0]["subjects"]
    of_classes = {"roleRef": reference | {"name": CONFINED}, "subjects": subjects}
    of_namespace = {"roleRef": reference | {"name": INVENTORY}, "subjects": subjects}
    here = cluster_object("RoleBinding", **of_namespace)
    here["metadata"]["namespace"] = namespace
    for body in (role, cluster_object("ClusterRoleBinding", **of_classes), here):
        made.cluster.create(body)
    try:
        for name in (NAMESPACED, INVENTORY):
            made.cluster.delete("ClusterRoleBinding", name)
        until("rights are gone", lambda: made.inventory().exit_code == 8)
        until("rights are there", lambda: made.inventory("-n", namespace).exit_code == 0)
        yield
    finally:
        for binding in bindings:
            again = {"metadata": {"name": binding["metadata"]["name"]}}
            made.cluster.create(
                {"apiVersion": RBAC, "kind": "ClusterRoleBinding"}
                | again
                | {key: binding[key] for key in ("roleRef", "subjects")}
            )
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            made.cluster.delete(kind, CONFINED)
        until("all rights are back", lambda: made.inventory().exit_code == 0)


def cluster_object(kind: str, **members: Any) -> Object:
    return {"apiVersion": RBAC, "kind": kind, "metadata": {"name": CONFINED}, **members}


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


def test_only_reads_are_sent(trial: StartTrial) -> None:
    made = trial(replicas=1)
    line = mark(made)
    inventory(made, "-n", made.workload.namespace)

    verbs = {(each["verb"], each["objectRef"]["resource"]) for each in requests_since(made, line)}
    assert ("list", "persistentvolumes") in verbs
    writes = {(verb, kind) for verb, kind in verbs if verb not in ("get", "list")}
    assert writes == {("create", "selfsubjectaccessreviews")}


def test_a_set_scaled_down_keeps_its_volumes(trial: StartTrial) -> None:
    made = trial(replicas=2)
    namespace = made.workload.namespace
    made.scaled(1)
    smaller = inventory(made, "-n", namespace)
    made.scaled(0)
    asleep = inventory(made, "-n", namespace)
    made.scaled(2)

    assert [(row["inTree"], row["scaledAway"]) for row in smaller["sets"]] == [(1, 1)]
    assert [(row["inTree"], row["scaledAway"]) for row in asleep["sets"]] == [(0, 2)]
    assert "replicas-ready" in asleep["sets"][0]["findings"]
    assert smaller["looseVolumes"] == asleep["looseVolumes"] == []


def test_a_set_that_is_away_or_left_mixed_by_a_stopped_migration_is_to_be_resumed(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    namespace = made.workload.namespace
    with begun(made, *QUICK) as tool:
        with held(made, "Pod", "web-1"):
            await_words(tool, "web-1 pod-gone: waiting")
            away = inventory(made, "-n", namespace)
            tool.signal(signal.SIGTERM)
            await_words(tool, "Stopping at the next safe point")
        assert finish(tool).exit_code == 5

    (row,) = away["sets"]
    assert (row["name"], row["verdict"], row["inTree"], row["csi"]) == ("web", "under way", 2, 0)
    assert away["looseVolumes"] == []
    (row,) = inventory(made, "-n", namespace)["sets"]
    assert (row["verdict"], row["inTree"], row["csi"]) == ("under way", 1, 1)
    assert "rolling-migration resume" in row["next"]
    done = made.resume()
    assert done.exit_code == 0, str(done)
    assert inventory(made, "-n", namespace)["sets"] == []
    made.assert_migrated()


def test_rights_in_one_namespace_suffice_to_look_at_that_one(trial: StartTrial) -> None:
    made = trial(replicas=1)
    namespace = made.workload.namespace
    with confined_to(made, namespace):
        elsewhere = made.inventory()
        found = inventory(made, "-n", namespace)

    assert elsewhere.exit_code == 8, str(elsewhere)
    assert "may not list statefulsets.apps" in told(elsewhere)
    assert "rbac-inventory.yaml" in told(elsewhere)
    assert [row["name"] for row in found["sets"]] == ["web"]
