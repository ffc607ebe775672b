"""Others change what a migration works on: it stops, says what it found, goes on after."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import manifests
from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import (
    applied,
    caught_between,
    claim_leaving,
    mark,
    no_room_on_nodes,
    orphan_the_set,
    pod_leaving,
    repeated,
    standing_still,
    uid,
    written_since,
)
from tests.lab.interruptkit import (
    PROVISIONER,
    QUICK,
    assert_nothing_lost,
    await_words,
    begun,
    bring_to,
    paused,
    started,
)
from tests.lab.labkit import Lab, ToolRun, Trial, finish
from tests.lab.refusalkit import told

WINDOWS = pytest.mark.parametrize("window", ["replica", "run"])


def assert_needs_person(made: Trial, run: ToolRun, line: int, *says: str) -> None:
    """It stopped without another write, and says what it found and what to do."""
    assert run.exit_code == 6, str(run)
    assert written_since(made, line) == []
    for words in (*says, "State:", "To do:", "resume --working-directory"):
        assert words in told(run), str(run)
    assert_nothing_lost(made)


# The set -------------------------------------------------------------------------------


@WINDOWS
def test_a_loop_that_applies_the_old_set_stops_the_run(trial: StartTrial, window: str) -> None:
    made = trial(replicas=2)
    before = uid(made, "StatefulSet", "web")
    with begun(made, *QUICK, "--window", window) as tool, pod_leaving(made, tool):
        with repeated(lambda: applied(made), seconds=1):
            until("the set is back", lambda: uid(made, "StatefulSet", "web") not in ("", before))
            line = mark(made)
            run = finish(tool)
        foreign = uid(made, "StatefulSet", "web")
        assert_needs_person(made, run, line, foreign, "--cascade=orphan")
    until("both Ready under the foreign set", made.ready)
    refused = made.resume()
    assert refused.exit_code == 6, str(refused)
    assert foreign in told(refused)
    orphan_the_set(made)
    bring_to("resume", made)


def test_a_set_that_comes_back_while_claims_are_missing_is_said_with_all_it_made(
    lab: Lab, trial: StartTrial
) -> None:
    made = trial(replicas=1)
    with caught_between(lab, made, *QUICK) as tool, paused(lab, PROVISIONER):
        line = mark(made)
        with standing_still(tool):
            foreign = applied(made)["metadata"]["uid"]
            until("a pod and a claim", lambda: all(made_by_it(made)))
        run = finish(tool)
        claim, _ = made_by_it(made)
        assert_needs_person(made, run, line, foreign, f"claim data-web-0 (uid {claim})")
        orphan_the_set(made)
        made.cluster.delete("Pod", "web-0", made.workload.namespace)
        made.cluster.delete("PersistentVolumeClaim", "data-web-0", made.workload.namespace)
        until("both gone", lambda: not any(made_by_it(made)))
    bring_to("rollback", made)


def made_by_it(made: Trial) -> tuple[str, str]:
    return uid(made, "PersistentVolumeClaim", "data-web-0"), uid(made, "Pod", "web-0")


# Its scale -----------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_set_that_is_scaled_between_two_swaps_stops_the_run(
    trial: StartTrial, tmp_path: Path, replicas: int
) -> None:
    made = trial(replicas=2)
    healthy = tmp_path / "healthy"
    with started(made, *QUICK, "--health-command", f"test -e {healthy}") as tool:
        await_words(tool, "web-1 soak: waiting")
        scale(made, replicas)
        run = finish(tool)
    assert run.exit_code == 6, str(run)
    assert f"spec.replicas is {replicas} instead of 2" in told(run)
    assert "web-0: Ready, in-tree" in told(run)
    assert_nothing_lost(made)
    scale(made, 2)
    until("two Ready again", made.ready)
    healthy.touch()
    bring_to("resume", made)


def scale(made: Trial, replicas: int) -> None:
    """As an autoscaler does."""
    patch = {"spec": {"replicas": replicas}}
    name, namespace = made.workload.name, made.workload.namespace
    made.cluster.patch("StatefulSet", name, patch, namespace, "scale")


# A claim, a pod, a volume --------------------------------------------------------------


def test_a_claim_that_somebody_makes_in_a_window_stops_the_run(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=1)
    with caught_between(lab, made, *QUICK) as tool, paused(lab, PROVISIONER):
        line = mark(made)
        body = manifests.claim(made.workload, "data-web-0", "")
        foreign = made.cluster.create(body)["metadata"]["uid"]
        run = finish(tool)
        assert_needs_person(made, run, line, f"claim data-web-0 (uid {foreign})", "web-0: away")
        made.cluster.delete("PersistentVolumeClaim", "data-web-0", made.workload.namespace)
        until("it is gone", lambda: uid(made, "PersistentVolumeClaim", "data-web-0") == "")
    bring_to("resume", made)


@pytest.mark.parametrize(("window", "end"), [("replica", "resume"), ("run", "rollback")])
def test_a_pod_that_somebody_makes_in_a_window_stops_the_run(
    trial: StartTrial, window: str, end: str
) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK, "--window", window) as tool, claim_leaving(made, tool):
        line = mark(made)
        foreign = made.cluster.create(stray_pod(made))["metadata"]["uid"]
        run = finish(tool)
        assert_needs_person(made, run, line, f"pod web-0 (uid {foreign})")
        made.cluster.delete("Pod", "web-0", made.workload.namespace)
        until("it is gone", lambda: uid(made, "Pod", "web-0") == "")
    bring_to(end, made)


def stray_pod(made: Trial) -> Object:
    metadata = {"name": "web-0", "namespace": made.workload.namespace}
    container = {"name": "stray", "image": "lab/writer:1"}
    spec = {"containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_a_claim_that_the_sets_controller_made_anew_is_cleared_by_the_words_that_are_printed(
    trial: StartTrial,
) -> None:
    """Somebody deletes a migrated claim and its pod: the controller fills the place."""
    made = trial(replicas=1)
    done = made.migrate(*QUICK)
    assert done.exit_code == 0, str(done)
    old = uid(made, "PersistentVolumeClaim", "data-web-0")
    volume = made.volumes()["data-web-0"]["metadata"]["name"]
    retained = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    made.cluster.patch("PersistentVolume", volume, retained)  # else its disk would be gone
    with no_room_on_nodes(made):
        for kind, name in (("PersistentVolumeClaim", "data-web-0"), ("Pod", "web-0")):
            made.cluster.delete(kind, name, made.workload.namespace)
        until(
            "both were made anew",
            lambda: (
                uid(made, "PersistentVolumeClaim", "data-web-0") not in ("", old)
                and uid(made, "Pod", "web-0") != ""
            ),
        )
        foreign = uid(made, "PersistentVolumeClaim", "data-web-0")
        refused = made.rollback(*QUICK)
        assert refused.exit_code == 6, str(refused)
        assert f"claim data-web-0 (uid {foreign})" in told(refused)
        assert obey(made, refused) == ["statefulset web", "pod web-0", "pvc data-web-0"]
    bring_to("rollback", made)


def obey(made: Trial, run: ToolRun) -> list[str]:
    """Do what the printed kubectl commands say, word for word; what was deleted, in order."""
    namespace, kinds = made.workload.namespace, {"pod": "Pod", "pvc": "PersistentVolumeClaim"}
    command = rf"`kubectl -n {namespace} delete (\S+) (\S+?)( --cascade=orphan)?`"
    commands = list(dict.fromkeys(re.findall(command, told(run))))
    for kind, name, orphans in commands:
        orphan_the_set(made) if orphans else deleted(made, kinds[kind], name)
    return [f"{kind} {name}" for kind, name, _ in commands]


def deleted(made: Trial, kind: str, name: str) -> None:
    before = uid(made, kind, name)
    made.cluster.delete(kind, name, made.workload.namespace)
    until(f"{name} is gone", lambda: uid(made, kind, name) != before)


@WINDOWS
def test_a_pod_in_the_place_of_another_replica_stops_the_run(
    trial: StartTrial, window: str
) -> None:
    """The set comes back for the pod that vanished, but its controller can't make it."""
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool:
        with pod_leaving(made, tool):
            with standing_still(tool):
                made.cluster.delete("Pod", "web-0", made.workload.namespace)
                until("it is gone", lambda: uid(made, "Pod", "web-0") == "")
                foreign = made.cluster.create(stray_pod(made))["metadata"]["uid"]
            await_words(tool, "bring the StatefulSet back")
        run = finish(tool)
    assert run.exit_code == 6, str(run)
    assert f"pod web-0 (uid {foreign}) was made by somebody else" in told(run)
    assert_nothing_lost(made)
    assert obey(made, run) == ["pod web-0"]
    until("both Ready", made.ready)
    bring_to("resume", made)


def test_a_volume_that_was_set_back_to_delete_stops_the_run_until_it_is_retain(
    trial: StartTrial,
) -> None:
    made = trial(replicas=1)
    volume = made.volumes()["data-web-0"]["metadata"]["name"]
    with begun(made, *QUICK) as tool, pod_leaving(made, tool):
        line = mark(made)
        patch = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
        made.cluster.patch("PersistentVolume", volume, patch)
        run = finish(tool)
        assert_needs_person(made, run, line, f"{volume} is no longer Retain")
    bring_to("resume", made)


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume"])
def test_going_back_cures_what_somebody_deleted_under_a_running_pod(
    trial: StartTrial, kind: str
) -> None:
    made = trial(replicas=2)
    done = made.migrate(*QUICK)
    assert done.exit_code == 0, str(done)
    claim = made.cluster.get("PersistentVolumeClaim", "data-web-0", made.workload.namespace)
    name = "data-web-0" if kind == "PersistentVolumeClaim" else claim["spec"]["volumeName"]
    made.cluster.delete(kind, name, made.workload.namespace)

    stopped = made.resume(*QUICK)
    assert stopped.exit_code == 6, str(stopped)
    assert "somebody is deleting" in told(stopped)
    assert "rollback --replica 0" in told(stopped)
    cured = made.rollback("--replica", "0", *QUICK)
    assert cured.exit_code == 0, str(cured)
    assert_nothing_lost(made)
    again = made.resume(*QUICK)
    assert again.exit_code == 0, str(again)
    made.assert_on_csi()
    assert_nothing_lost(made)
