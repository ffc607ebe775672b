"""A killed run is taken up in either direction, wherever it was killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lab.objects import USER_CLUSTER
from lab.vcenter import disks
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import (
    age_the_lease,
    claim_leaving,
    drained,
    lease_from_another_machine,
    mark,
    no_more_config_maps,
    pod_leaving,
    uid,
    written_since,
)
from tests.lab.interruptkit import QUICK, await_words, begun, bring_to, paused, started, taken_up
from tests.lab.labkit import Lab, Running, Trial, finish
from tests.lab.lookkit import asked
from tests.lab.refusalkit import assert_refusal, told

Stage = Callable[[Lab, Trial, Running], AbstractContextManager[None]]
Hindrance = Callable[[Trial], AbstractContextManager[None]]


def killed(tool: Running) -> None:
    tool.process.kill()
    tool.process.wait()


def pod_on_its_way_out(_: Lab, made: Trial, tool: Running) -> AbstractContextManager[None]:
    return pod_leaving(made, tool)


def claim_on_its_way_out(_: Lab, made: Trial, tool: Running) -> AbstractContextManager[None]:
    return claim_leaving(made, tool)


@contextmanager
def volume_still_registered(lab: Lab, _: Trial, tool: Running) -> Iterator[None]:
    with paused(lab, "syncer-user"):
        lab.resume("external-provisioner-user")
        await_words(tool, "CNS still has disk")
        yield


@contextmanager
def pod_starting(lab: Lab, _: Trial, tool: Running) -> Iterator[None]:
    lab.resume("external-provisioner-user")
    await_words(tool, "web-1 create-pod: done")
    yield


STAGES = [pod_on_its_way_out, claim_on_its_way_out, volume_still_registered, pod_starting]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("window", ["replica", "run"])
@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_run_that_was_killed_is_brought_to_either_end(
    lab: Lab, trial: StartTrial, stage: Stage, window: str, end: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool, stage(lab, made, tool):
        killed(tool)
    if end == "resume":
        run = made.resume()
        assert run.exit_code == 0, str(run)
        made.assert_migrated()
        templates = made.statefulset()["spec"]["volumeClaimTemplates"]
        assert {one["spec"]["storageClassName"] for one in templates} == {"standard-rwo"}
    else:
        run = made.rollback()
        assert run.exit_code == 0, str(run)
        made.assert_taken_back()
    assert made.cluster.list("Lease", made.workload.namespace) == []


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_run_is_taken_up_on_another_machine(trial: StartTrial, tmp_path: Path, end: str) -> None:
    """With a copy of its directory; the machine that it began on is gone for good."""
    made = trial(replicas=2)
    there, here = tmp_path / "there", tmp_path / "here"
    for machine in (there, here):
        machine.mkdir()
        shutil.copy(made.lab.layout.kubeconfig("admin", "tool"), machine / "kubeconfig")
    made.directory = there / "work"
    place = ("--kubeconfig", str(there / "kubeconfig"))
    with begun(made, *QUICK, *place) as tool, claim_leaving(made, tool):
        killed(tool)
    lease_from_another_machine(made)
    age_the_lease(made)
    made.directory = Path(shutil.copytree(made.directory, here / "work"))
    shutil.rmtree(there)
    run = finish(made.take_up(end, "--kubeconfig", str(here / "kubeconfig")))
    assert run.exit_code == 0, str(run)
    made.assert_migrated() if end == "resume" else made.assert_taken_back()


def test_another_cluster_than_that_of_the_migration_is_refused(trial: StartTrial) -> None:
    made = trial(replicas=1, where="admin")
    with started(made, *QUICK, "--health-command", "false") as tool:
        await_words(tool, "web-0 soak: waiting")
        killed(tool)
    lines = {where: mark(made, where) for where in ("user", "admin")}
    elsewhere = ("--cluster-name", USER_CLUSTER)
    for run in (
        *(made.resume(*elsewhere), made.rollback(*elsewhere)),
        *(asked(command, made.directory, *elsewhere) for command in ("status", "verify")),
    ):
        assert_refusal(run, 2, "is not the cluster that this migration was begun in", "To do:")
    assert [written_since(made, line, where) for where, line in lines.items()] == [[], []]
    bring_to("resume", made)


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_run_that_was_killed_in_a_soak_is_taken_up_after_another_replica_was_drained(
    trial: StartTrial, tmp_path: Path, end: str
) -> None:
    made = trial(replicas=2)
    never = tmp_path / "never"
    with started(made, *QUICK, "--health-command", f"test -e {never}") as tool:
        await_words(tool, "web-1 soak: waiting")
        killed(tool)
    with drained(made, "web-0") as before:
        until("web-0 made again", lambda: uid(made, "Pod", "web-0") not in ("", before))
        until("both Ready", made.ready)
    bring_to(end, made)


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_lost_directory_comes_back_from_the_cluster(
    lab: Lab, trial: StartTrial, tmp_path: Path, end: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool, claim_on_its_way_out(lab, made, tool):
        killed(tool)
    shutil.rmtree(made.directory)
    made.directory = tmp_path / "another"
    unnamed = made.take_up(end)
    assert "--sts-name" in finish(unnamed).stderr
    run = finish(made.take_up(end, *made.options))
    assert run.exit_code == 0, str(run)
    made.assert_migrated() if end == "resume" else made.assert_taken_back()
    assert backups(made) == []


@contextmanager
def rotten_file(made: Trial) -> Iterator[None]:
    """One that no step goes by."""
    (made.directory / "backup/pods/web-0.json").write_text("rotten")
    yield


@pytest.mark.parametrize("hindrance", [no_more_config_maps, rotten_file], ids=lambda h: h.__name__)
@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_neither_end_depends_on_a_copy_of_the_directory(
    lab: Lab, trial: StartTrial, end: str, hindrance: Hindrance
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool, claim_on_its_way_out(lab, made, tool):
        killed(tool)
    [before] = backups(made)
    with hindrance(made), taken_up(made, end) as running:
        await_words(running, "was not renewed")
        assert backups(made) == [before]
        run = finish(running)
    assert run.exit_code == 0, str(run)
    made.assert_migrated() if end == "resume" else made.assert_taken_back()


def backups(made: Trial) -> list[str]:
    """The uids of the second backup's ConfigMaps."""
    found = made.cluster.list("ConfigMap", made.workload.namespace)
    ours = [one["metadata"] for one in found]
    return [one["uid"] for one in ours if one["name"].startswith("csi-migration")]


def test_what_was_accepted_stays_accepted_for_who_takes_the_migration_up(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    accepted = ("--accept", "classes", "--accept", "volumes-class")
    with begun(made, *QUICK, "--intree-storageclass", "never-there", *accepted) as tool:
        with pod_leaving(made, tool):
            tool.process.terminate()
            await_words(tool, "Stopping at the next safe point")
        stopped = finish(tool)
    assert stopped.exit_code == 5, str(stopped)
    run = made.resume()
    assert run.exit_code == 0, str(run)
    assert "[classes]" not in run.stderr
    made.assert_migrated()


def test_going_back_leaves_the_disks_registered_and_says_so(lab: Lab, trial: StartTrial) -> None:
    made = trial(replicas=1, origin="by-path")
    done = made.migrate(*QUICK)
    assert done.exit_code == 0, str(done)
    (volume,) = made.volumes().values()
    handle = volume["spec"]["csi"]["volumeHandle"]
    back = made.rollback()
    assert back.exit_code == 0, str(back)
    assert "the disks stay First Class Disks" in told(back)
    made.assert_taken_back()
    (volume,) = made.volumes().values()
    with disks(lab.facts.vcenter) as datacenter:
        assert datacenter.path_of(handle) == volume["spec"]["vsphereVolume"]["volumePath"]


def test_a_finished_migration_is_taken_back_and_made_again(trial: StartTrial) -> None:
    made = trial(replicas=3, claims=("data", "log"))
    run = made.migrate(*QUICK)
    assert run.exit_code == 0, str(run)
    one = made.rollback("--replica", "1")
    assert one.exit_code == 0, str(one)
    sources = {claim for claim, volume in made.volumes().items() if "csi" in volume["spec"]}
    assert sources == {"data-web-0", "data-web-2", "log-web-0", "log-web-2"}
    again = made.resume()
    assert again.exit_code == 0, str(again)
    made.assert_on_csi()
    back = made.rollback()
    assert back.exit_code == 0, str(back)
    made.assert_taken_back()
    refused = made.resume()
    assert refused.exit_code == 2, str(refused)
    assert "taken back as a whole" in " ".join(refused.stderr.split())
