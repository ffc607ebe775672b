"""The lab must see what a migration must never do: each of its alarms is set off on purpose."""

from pathlib import Path

import pytest

from lab import workload as lab_workload
from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.labkit import Trial

CLAIM = "data-web-0"


@pytest.fixture
def writer(trial: StartTrial) -> Trial:
    """One replica that has written records."""
    started = trial(replicas=1)
    until("records", lambda: started.report().claims[0].records_before > 5)
    return started


def stopped(trial: Trial) -> Path:
    """Stop the only replica; the file with its disk's bytes."""
    (volume,) = trial.volumes().values()
    scale(trial, 0)
    until("no pod", lambda: not trial.pods())
    path = volume["spec"]["vsphereVolume"]["volumePath"]
    (found,) = trial.lab.layout.vcenter.rglob(Path(path).stem + "-flat.vmdk")
    return found


def scale(trial: Trial, replicas: int) -> None:
    name, namespace = trial.workload.name, trial.workload.namespace
    trial.cluster.patch("StatefulSet", name, {"spec": {"replicas": replicas}}, namespace)


def waiting_for(trial: Trial, pod: str) -> str:
    """Why the pod's container waits; empty when it does not, or is not known yet."""
    found = trial.cluster.find("Pod", pod, trial.workload.namespace) or {"status": {}}
    statuses = found["status"].get("containerStatuses", [])
    reasons = [status["state"].get("waiting", {}).get("reason", "") for status in statuses]
    return str(reasons[0]) if reasons else ""


def test_an_untouched_disk_raises_no_alarm(writer: Trial) -> None:
    stopped(writer)
    report = writer.report()
    assert report.problems() == []
    assert report.claims[0].judgement.records == report.claims[0].records_before > 5


def test_a_lost_record_is_reported(writer: Trial) -> None:
    disk = stopped(writer)
    lines = disk.read_text().splitlines(keepends=True)
    disk.write_text("".join(lines[:-1]))
    report = writer.report()
    assert report.records_lost == 1
    assert report.problems() == ["records lost, doubled or broken: 1"]


def test_an_empty_disk_in_place_of_the_old_one_is_reported(writer: Trial) -> None:
    disk = stopped(writer)
    acknowledged = len(disk.read_text().splitlines())
    disk.write_text("")
    scale(writer, 1)
    until("Ready", writer.ready)
    assert writer.report().records_lost == acknowledged


def test_a_corrupt_record_is_reported_and_keeps_the_pod_from_its_start(writer: Trial) -> None:
    disk = stopped(writer)
    whole = disk.read_bytes()
    disk.write_bytes(whole.replace(b" node-", b" Node-", 1))
    scale(writer, 1)
    until("the refusal", lambda: waiting_for(writer, "web-0") == "VolumeCorrupt")
    report = writer.report()
    assert not writer.ready()
    assert report.broken_starts >= 1
    assert report.claims[0].judgement.corrupt == 1
    disk.write_bytes(whole)
    until("Ready", writer.ready)


def test_a_second_writer_is_kept_out_and_reported(writer: Trial) -> None:
    cluster, namespace = writer.cluster, writer.workload.namespace
    second = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "second", "namespace": namespace},
        "spec": {
            "nodeName": writer.pods()["web-0"]["spec"]["nodeName"],
            "containers": [{"name": "writer", "image": "lab/writer:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}],
        },
    }
    cluster.create(second)
    until("the refusal", lambda: waiting_for(writer, "second") == "VolumeLocked")
    assert not lab_workload.pod_ready(cluster.get("Pod", "second", namespace))
    assert writer.ready()
    report = writer.report()
    assert report.second_writers >= 1
    assert report.records_lost == 0


def test_a_destroyed_disk_is_reported(writer: Trial) -> None:
    namespace = writer.workload.namespace
    path = writer.report().claims[0].old_path
    stopped(writer)
    writer.cluster.delete("PersistentVolumeClaim", CLAIM, namespace)
    until("the disk gone", lambda: not writer.report().claims[0].disk_there)
    report = writer.report()
    assert report.disks_deleted == [path]
    assert "disks deleted: 1" in report.problems()
