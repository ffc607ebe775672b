"""vCenter restarts: it keeps disks, volumes and devices, and ends sessions and tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.interruptkit import QUICK, await_words, begun, held, stopped
from tests.lab.labkit import Lab, Running, Trial, finish
from tests.lab.scene import CLAIM, Scene
from tests.lab.vcenter_proxy import vcenter_proxy

# Longer than any pause of the driver's parts and of the tool between two tries.
AWAY_SECONDS = 3


def records(trial: Trial) -> dict[str, int]:
    """How many records of each claim were acknowledged."""
    folder = trial.lab.layout.evidence / "records" / trial.workload.namespace
    return {path.name: path.read_text().count("\n") for path in folder.iterdir()}


# The driver ----------------------------------------------------------------------------


def test_pods_write_on_while_vcenter_is_away(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=2)
    with stopped(lab, "vcenter"):
        before = records(made)
        until("more records", lambda: all(n > before[c] + 5 for c, n in records(made).items()))
    after = records(made)
    until("more records", lambda: all(n > after[c] + 5 for c, n in records(made).items()))
    assert made.report().problems() == []


def test_a_pod_that_moves_while_vcenter_is_away_waits_for_it(lab: Lab, scene: Scene) -> None:
    old = scene.old()
    scene.running_pod("writer")
    with stopped(lab, "vcenter"):
        scene.delete("Pod", "writer")
        scene.pod("writer", node="node-2")
        until("a failed detach", lambda: bool(scene.refusal(old.volume, "detachError")))
        time.sleep(AWAY_SECONDS)
        assert not scene.ready("writer")
    until("the pod on node-2 Ready", lambda: scene.ready("writer"))
    assert scene.attached(old.volume)
    assert_no_alarm(scene)


def test_the_driver_goes_on_with_the_volumes_of_before(lab: Lab, scene: Scene) -> None:
    old = scene.old()
    scene.running_pod("writer")
    lab.restart("vcenter")
    assert scene.path_of(old.disk_id) == old.path
    assert scene.registered(old.disk_id)
    scene.delete_pod("writer", old.volume)
    assert scene.unlocked(old.path)
    scene.running_pod("writer", node="node-2")
    assert_no_alarm(scene)


def test_a_static_volume_is_registered_after_a_restart(lab: Lab, scene: Scene) -> None:
    disk_id = scene.registered_disk()
    lab.restart("vcenter")
    volume = scene.csi_volume(disk_id)
    until("the registration", lambda: scene.registered(disk_id))
    scene.claim(volume, CLAIM)
    scene.running_pod("writer")
    assert scene.attached(volume)


def test_a_static_volume_made_while_vcenter_is_away_is_registered_by_full_syncs(
    lab: Lab, scene: Scene
) -> None:
    disk_id = scene.registered_disk()
    with stopped(lab, "vcenter"):
        volume = scene.csi_volume(disk_id)
        until("the syncer's failure", lambda: bool(scene.said("syncer-user", volume)))
    assert not scene.registered(disk_id)
    scene.full_sync()
    scene.full_sync()
    assert scene.registered(disk_id)


def assert_no_alarm(scene: Scene) -> None:
    assert [scene.noted(log) for log in ("io-errors", "second-writers", "corrupt")] == [[], [], []]


# The tool ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """When vCenter goes away: while `kind` `name` is held, and the tool says `then`.

    It comes back a while after the tool, which goes on meanwhile, has said `missed`.
    """

    kind: str
    name: str
    then: str
    missed: str


POD = Moment("Pod", "web-1", "web-1 pod-gone: waiting", "web-1 detached: waiting")
CLAIM_HELD = Moment(
    "PersistentVolumeClaim", "data-web-1", "data-web-1 is going away", "web-1 unreachable: waiting"
)


@pytest.mark.parametrize("moment", [POD, CLAIM_HELD], ids=["pod", "claim"])
def test_a_migration_and_its_way_back_outlast_a_restart(trial: StartTrial, moment: Moment) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool, holding(made, moment) as hold:
        assert_outlasts(tool, made, moment, hold)
    made.assert_migrated()
    with holding(made, moment) as hold, going_back(made) as tool:
        assert_outlasts(tool, made, moment, hold)
    made.assert_taken_back()


@pytest.mark.parametrize("answer", ["answered", "lost"])
def test_a_disk_that_was_registered_before_a_restart_is_not_registered_again(
    lab: Lab, trial: StartTrial, tmp_path: Path, answer: str
) -> None:
    made = trial(replicas=1, origin="by-path")
    with vcenter_proxy(lab) as vcenter:
        vcenter.after["RegisterDisk"] = partial(restarted, lab, answer)
        config = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        run = made.migrate(*QUICK, "--vcenter-config", str(config))
        assert run.exit_code == 0, str(run)
        assert vcenter.after == {}
        made.assert_migrated()
        assert registrations(made) == [""]
        back = made.rollback()
    assert back.exit_code == 0, str(back)
    made.assert_taken_back()


def holding(trial: Trial, moment: Moment) -> ExitStack:
    """The moment's object can't go until the block, or the stack, is closed."""
    hold = ExitStack()
    hold.enter_context(held(trial, moment.kind, moment.name))
    return hold


@contextmanager
def going_back(trial: Trial) -> Iterator[Running]:
    """A rollback, not left running when the test ends."""
    tool = trial.take_up("rollback")
    try:
        yield tool
    finally:
        if tool.process.poll() is None:
            tool.process.kill()
            tool.process.wait()


def assert_outlasts(tool: Running, trial: Trial, moment: Moment, hold: ExitStack) -> None:
    await_words(tool, moment.then)
    with stopped(trial.lab, "vcenter"):
        hold.close()
        await_words(tool, moment.missed)
        time.sleep(AWAY_SECONDS)
    run = finish(tool)
    assert run.exit_code == 0, str(run)


def restarted(lab: Lab, answer: str) -> None:
    lab.restart("vcenter")
    if answer == "lost":
        raise ConnectionError("vCenter has restarted")


def registrations(trial: Trial) -> list[str]:
    """The fault, or '', of each RegisterDisk of the set's one disk."""
    (disk,) = [claim.old_path.rpartition("] ")[2] for claim in trial.report().claims]
    lines = (trial.lab.layout.vcenter / "calls.jsonl").read_text().splitlines()
    calls = [json.loads(line) for line in lines if disk in line]
    return [call["fault"] for call in calls if call["method"] == "RegisterDisk"]
