"""What comes between a run and its end: signals, lost systems, other hands."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import manifests
from lab.client import ApiError
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import claim_leaving, no_more_config_maps
from tests.lab.interruptkit import (
    QUICK,
    assert_nothing_lost,
    await_words,
    begun,
    bring_to,
    held,
    paused,
    policies,
    started,
    stopped,
    volume_sources,
)
from tests.lab.labkit import Lab, Trial, finish
from tests.lab.refusalkit import told
from tests.lab.vcenter_proxy import vcenter_proxy

STOPPING = "Stopping at the next safe point"


def ready_replicas(trial: Trial) -> int:
    return int(trial.statefulset()["status"].get("readyReplicas", 0))


def journal(trial: Trial) -> list[dict[str, Any]]:
    lines = (trial.directory / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


# Signals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "window"), [(signal.SIGINT, "replica"), (signal.SIGTERM, "run")]
)
def test_the_first_signal_stops_after_the_replica_in_hand(
    trial: StartTrial, number: signal.Signals, window: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool:
        with held(made, "Pod", "web-1"):
            await_words(tool, "web-1 pod-gone: waiting")
            tool.signal(number)
            await_words(tool, STOPPING)
        run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "StatefulSet" in told(run)
    assert "is in place" in told(run)
    assert "web-1: Ready, CSI; web-0: Ready, in-tree" in told(run)
    assert volume_sources(made) == {"data-web-0": "in-tree", "data-web-1": "CSI"}
    until("the controller counts both", lambda: ready_replicas(made) == 2)
    assert made.ready()
    assert made.cluster.list("Lease", made.workload.namespace) == []
    assert_nothing_lost(made)


def test_the_second_signal_stops_at_once_and_tells_what_is_away(trial: StartTrial) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool, held(made, "Pod", "web-1"):
        await_words(tool, "web-1 pod-gone: waiting")
        tool.signal(signal.SIGINT)
        await_words(tool, STOPPING)
        tool.signal(signal.SIGINT)
        run = finish(tool)
        assert run.exit_code == 5, str(run)
        assert "is away" in told(run)
        assert "web-1: not Ready, in-tree; web-0: Ready, in-tree" in told(run)
        assert str(made.directory) in told(run)
        records = journal(made)
    last = records[-1]
    assert (last["type"], last["exitCode"]) == ("run-ended", 5)
    assert "is away" in last["state"]
    intents = [each for each in records if each["type"] == "intent"]
    assert intents[-1]["step"] == "web-1/delete-pod"
    assert volume_sources(made) == {"data-web-0": "in-tree", "data-web-1": "in-tree"}
    assert policies(made) == {"Retain"}
    assert made.cluster.list("Lease", made.workload.namespace) == []
    assert_nothing_lost(made)


def test_a_signal_before_the_first_change_leaves_nothing(trial: StartTrial) -> None:
    made = trial(replicas=2)
    before = policies(made)
    with no_more_config_maps(made), started(made, *QUICK) as tool:
        await_words(tool, "unreachable: waiting")
        tool.signal(signal.SIGTERM)
        run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "Stopped at a safe point" in told(run)
    assert "web-1: Ready, in-tree; web-0: Ready, in-tree" in told(run)
    assert policies(made) == before
    assert made.cluster.list("Lease", made.workload.namespace) == []
    assert journal(made)[-1]["type"] == "run-ended"
    bring_to("resume", made)


def test_a_signal_is_heeded_before_the_first_step_while_a_server_refuses(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool, claim_leaving(made, tool):
        tool.process.kill()
        tool.process.wait()
    with no_more_config_maps(made):
        resuming = made.take_up("resume")
        await_words(resuming, "unreachable: waiting")
        resuming.signal(signal.SIGTERM)
        run = finish(resuming)
    assert run.exit_code == 5, str(run)
    assert "Stopped at a safe point" in told(run)
    assert f"rolling-migration rollback --working-directory {made.directory}" in told(run)
    assert journal(made)[-1]["type"] == "run-ended"
    bring_to("rollback", made)


# Systems that go away -----------------------------------------------------------------


def test_a_run_outlasts_an_api_server_that_hangs(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=2)
    with started(made, *QUICK) as tool:
        await_words(tool, "web-1 delete-pod: done")
        with paused(lab, "kube-apiserver-user"):
            time.sleep(10)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_run_outlasts_an_api_server_that_restarts(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool:
        with held(made, "Pod", "web-1"):
            await_words(tool, "web-1 pod-gone: waiting")
            with stopped(lab, "kube-apiserver-user"):
                await_words(tool, "web-1 unreachable: waiting")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_run_stops_when_the_api_server_stays_away(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--unreachable-timeout", "3") as tool, held(made, "Pod", "web-1"):
        await_words(tool, "web-1 pod-gone: waiting")
        with stopped(lab, "kube-apiserver-user"):
            run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "can't be looked at now" in told(run)
    assert str(made.directory) in told(run)
    assert journal(made)[-1]["exitCode"] == 5
    assert volume_sources(made) == {"data-web-0": "in-tree", "data-web-1": "in-tree"}
    assert_nothing_lost(made)


def test_a_run_outlasts_a_vcenter_that_hangs(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=2)
    with started(made, *QUICK) as tool:
        await_words(tool, "web-1 open-window: done")
        with paused(lab, "vcenter"):
            time.sleep(10)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_run_outlasts_a_vcenter_that_refuses_connections(
    lab: Lab, trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=1)
    with vcenter_proxy(lab) as vcenter:
        config = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        with begun(made, *QUICK, "--vcenter-config", str(config)) as tool:
            with held(made, "Pod", "web-0"):
                await_words(tool, "web-0 pod-gone: waiting")
                vcenter.hang_up()
            await_words(tool, "web-0 unreachable: waiting")
            vcenter.listen()
            run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_run_gives_the_replica_back_when_vcenter_stays_away(
    lab: Lab, trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=2)
    with vcenter_proxy(lab) as vcenter:
        config = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        extra = ("--vcenter-config", str(config), "--unreachable-timeout", "3")
        with begun(made, *QUICK, *extra) as tool:
            with held(made, "Pod", "web-1"):
                await_words(tool, "web-1 pod-gone: waiting")
                vcenter.hang_up()
            run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "web-1 was not migrated; it runs again on its in-tree volumes" in told(run)
    until("both replicas Ready", made.ready)
    made.assert_untouched()
    assert policies(made) == {"Delete"}


# Parts of the driver that stand still --------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("registered", "CNS still has disk"),
        ("by-path", "CNS does not know disk"),
    ],
)
def test_a_syncer_that_stands_still_is_waited_for(
    lab: Lab, trial: StartTrial, origin: str, reason: str
) -> None:
    made = trial(replicas=1, origin=origin)
    with paused(lab, "syncer-user"), started(made, *QUICK) as tool:
        await_words(tool, reason)
        assert "web-0" not in made.pods()
        lab.resume("syncer-user")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_disk_that_cannot_be_registered_gives_the_replica_back(
    lab: Lab, trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=2, origin="by-path")
    with vcenter_proxy(lab) as vcenter:
        vcenter.denied = "RegisterDisk"
        config = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        run = made.migrate(*QUICK, "--vcenter-config", str(config))
    assert run.exit_code not in (0, 1), str(run)
    assert "Datastore.FileManagement" in told(run)
    assert "web-1 was not migrated; it runs again on its in-tree volumes" in told(run)
    until("both replicas Ready", made.ready)
    made.assert_untouched()
    assert made.statefulset()["status"]["replicas"] == 2
    assert policies(made) == {"Delete"}


# Objects that don't go -----------------------------------------------------------------


def test_a_pod_that_does_not_go_is_waited_for(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with held(made, "Pod", "web-0"):
            await_words(tool, "web-0 pod-gone: waiting")
            await_words(tool, "the pod is shutting down")
            assert volume_sources(made) == {"data-web-0": "in-tree"}
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_claim_that_does_not_go_is_waited_for(trial: StartTrial) -> None:
    made = trial(replicas=1)
    with begun(made, *QUICK) as tool:
        with held(made, "PersistentVolumeClaim", "data-web-0"):
            await_words(tool, "claim data-web-0 is going away")
            assert "web-0" not in made.pods()
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


# Other hands ---------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["replica", "run"])
def test_a_set_that_somebody_creates_again_stops_everything(trial: StartTrial, window: str) -> None:
    made = trial(replicas=2)
    before = {claim: volume["metadata"]["uid"] for claim, volume in made.volumes().items()}
    with created_again(made):
        run = made.migrate(*QUICK, "--window", window)
    assert run.exit_code == 6, str(run)
    assert "somebody else created the StatefulSet again" in told(run)
    assert "State:" in told(run)
    after = {claim: volume["metadata"]["uid"] for claim, volume in made.volumes().items()}
    assert after == before
    assert_nothing_lost(made)


@contextmanager
def created_again(trial: Trial) -> Iterator[None]:
    """Somebody's loop brings the set back whenever it is away."""
    ending = threading.Event()

    def loop() -> None:
        while not ending.wait(0.01):
            try:
                trial.cluster.create(manifests.statefulset(trial.workload))
            except ApiError as error:
                if error.status != 409:
                    raise

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_a_volume_that_is_set_back_to_delete_stops_everything(trial: StartTrial) -> None:
    made = trial(replicas=2)
    volume = made.volumes()["data-web-1"]["metadata"]["name"]
    with begun(made, *QUICK) as tool:
        with held(made, "Pod", "web-1"):
            await_words(tool, "web-1 pod-gone: waiting")
            patch = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
            made.cluster.patch("PersistentVolume", volume, patch)
        run = finish(tool)
    assert run.exit_code == 6, str(run)
    assert f"{volume} is no longer Retain" in told(run)
    found = made.cluster.get("PersistentVolume", volume)
    assert "deletionTimestamp" not in found["metadata"]
    assert volume_sources(made) == {"data-web-0": "in-tree", "data-web-1": "in-tree"}
    assert_nothing_lost(made)
