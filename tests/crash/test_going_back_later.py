"""A migrated set lives on; later it is taken back as it is then."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.client import Object
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import orphan_the_set, uid
from tests.lab.interruptkit import (
    QUICK,
    assert_nothing_lost,
    await_words,
    taken_up,
    volume_sources,
)
from tests.lab.labkit import Trial, finish
from tests.lab.lookkit import looked
from tests.lab.refusalkit import told

STAMP = {"kubectl.kubernetes.io/restartedAt": "2030-01-01T00:00:00Z"}


def migrated(made: Trial) -> None:
    done = made.migrate(*QUICK)
    assert done.exit_code == 0, str(done)


def patched(made: Trial, spec: dict[str, Any]) -> None:
    made.cluster.patch("StatefulSet", made.workload.name, {"spec": spec}, made.workload.namespace)


def rolled_out(made: Trial) -> str:
    """Every pod replaced and Ready, as by `kubectl rollout restart`; the new revision."""
    patched(made, {"template": {"metadata": {"annotations": STAMP}}})
    until("all pods at the new revision", lambda: is_rolled_out(made), seconds=180)
    return str(made.statefulset()["status"]["updateRevision"])


def is_rolled_out(made: Trial) -> bool:
    return all(is_stamped(pod) for pod in made.pods().values()) and made.ready()


def is_stamped(pod: Object | None) -> bool:
    """A pod that is being replaced is missing for a moment."""
    annotations = pod["metadata"].get("annotations") if pod else None
    return (annotations or {}).items() >= STAMP.items()


def template_classes(made: Trial) -> set[str]:
    templates = made.statefulset()["spec"]["volumeClaimTemplates"]
    return {one["spec"]["storageClassName"] for one in templates}


@pytest.mark.parametrize("directory", ["kept", "lost"])
def test_a_set_that_was_rolled_out_and_scaled_up_goes_back_as_it_is_then(
    trial: StartTrial, tmp_path: Path, directory: str
) -> None:
    """What it became since its migration the second backup knows as well as the directory."""
    made = trial(replicas=2)
    before = made.workload
    migrated(made)
    revision = rolled_out(made)
    made.scaled(3)
    assert_status_says(made, "act", "take the StatefulSet away, leaving its pods")
    third = uid(made, "Pod", "web-2"), uid(made, "PersistentVolumeClaim", "data-web-2")

    with_a_kill(made)
    if directory == "lost":
        shutil.rmtree(made.directory)
        made.directory = tmp_path / "another"
    done = made.rollback(*QUICK, *(made.options if directory == "lost" else ()))
    assert done.exit_code == 0, str(done)
    assert "web-2: made after the backup" in told(done)
    assert volume_sources(made) == {
        "data-web-0": "in-tree",
        "data-web-1": "in-tree",
        "data-web-2": "CSI",
    }
    assert template_classes(made) == {before.storage_class}
    assert made.statefulset()["spec"]["replicas"] == 3
    assert made.statefulset()["status"]["updateRevision"] == revision
    until("all still stamped and Ready", lambda: is_rolled_out(made))
    assert (uid(made, "Pod", "web-2"), uid(made, "PersistentVolumeClaim", "data-web-2")) == third
    made.workload = before
    assert_nothing_lost(made)


def assert_status_says(made: Trial, kind: str, text: str) -> None:
    """Of the way back of each replica; and that nothing about the set is a riddle."""
    status = looked(made, "status")
    assert {(each["back"]["kind"], each["back"]["text"]) for each in status["replicas"]} == {
        (kind, text)
    }
    assert status["disagreements"] == [] or kind == "refuse"


def with_a_kill(made: Trial) -> None:
    """The set of today has to be known to the next run as well, with the set away."""
    with taken_up(made, "rollback", *QUICK) as tool:
        await_words(tool, "stop the pod")
        tool.process.kill()
        finish(tool)


def test_a_set_that_was_scaled_down_is_taken_back_once_it_is_scaled_back(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    migrated(made)
    patched(made, {"replicas": 1})
    until("web-1 is gone", lambda: uid(made, "Pod", "web-1") == "")

    refused = made.rollback(*QUICK)
    assert refused.exit_code == 6, str(refused)
    assert "scale statefulset web --replicas=2" in told(refused)
    assert uid(made, "Pod", "web-0") != ""
    assert_status_says(
        made,
        "refuse",
        "the StatefulSet was scaled down since the backup: it no longer has web-1, whose claims "
        "would stay behind on CSI volumes",
    )
    made.scaled(2)
    done = made.rollback(*QUICK)
    assert done.exit_code == 0, str(done)
    made.assert_taken_back()


def test_a_rollout_that_has_not_ended_is_said_and_nothing_goes_back(trial: StartTrial) -> None:
    made = trial(replicas=2)
    migrated(made)
    held_back = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    patched(made, {"updateStrategy": held_back})
    patched(made, {"template": {"metadata": {"annotations": STAMP}}})
    until(
        "web-1 has been replaced",
        lambda: is_stamped(made.pods().get("web-1")) and made.ready(),
    )

    refused = made.rollback(*QUICK)
    assert refused.exit_code == 6, str(refused)
    assert "web-0 is at" in told(refused)
    assert "rollout undo" in told(refused)
    patched(made, {"updateStrategy": {"rollingUpdate": {"partition": 0}}})
    until("all pods at the new revision", lambda: is_rolled_out(made), seconds=180)
    done = made.rollback(*QUICK)
    assert done.exit_code == 0, str(done)
    made.assert_taken_back()


def test_a_set_that_was_made_again_to_grow_its_claims_goes_back_as_it_is_then(
    trial: StartTrial,
) -> None:
    """Claim templates are fixed, so people delete the set, leave its pods, and apply it anew."""
    made = trial(replicas=2)
    before = made.workload
    migrated(made)
    again = made_again(made, replicas=3)
    made.scaled(3)

    with_a_kill(made)
    done = made.rollback(*QUICK)
    assert done.exit_code == 0, str(done)
    assert volume_sources(made) == {
        "data-web-0": "in-tree",
        "data-web-1": "in-tree",
        "data-web-2": "CSI",
    }
    found = made.statefulset()
    assert (found["spec"]["replicas"], found["metadata"]["labels"]["tier"]) == (3, "grown")
    assert found["metadata"]["uid"] != again
    made.workload = before
    assert_nothing_lost(made)


def made_again(made: Trial, replicas: int) -> str:
    """The set deleted with its pods left, and applied with more replicas; its new uid."""
    body = made.statefulset()
    orphan_the_set(made)
    kept = {key: body["metadata"][key] for key in ("name", "namespace")}
    metadata = kept | {"labels": body["metadata"].get("labels", {}) | {"tier": "grown"}}
    spec = body["spec"] | {"replicas": replicas}
    new = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}
    return str(made.cluster.create(new)["metadata"]["uid"])
