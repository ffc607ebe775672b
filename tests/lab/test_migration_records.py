"""What a migration leaves for people and machines: the working directory, and `-o json`."""

from __future__ import annotations

import json
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.client import ApiError, Object
from lab.manifests import Workload
from tests.lab.by_hand import Readme
from tests.lab.labkit import Lab, Trial
from tests.lab.migration import Migration, migrate
from tests.lab.world import KINDS, World

BACKED_UP = {
    "StatefulSet": "statefulsets",
    "ControllerRevision": "controllerrevisions",
    "Pod": "pods",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
    "VolumeAttachment": "volumeattachments",
}
CLASSES = ("standard", "standard-rwo")
CREATED_ALREADY = 409


@dataclass(frozen=True, slots=True)
class Recorded:
    """A migration, and what the server showed of each object just before it."""

    migration: Migration
    shown: dict[str, bytes]

    @property
    def directory(self) -> Path:
        return self.migration.trial.directory

    @property
    def files(self) -> list[Path]:
        return [path for path in self.directory.rglob("*") if path.is_file()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `-o json`."""
        return [json.loads(line) for line in self.migration.run.stdout.splitlines()]


@pytest.fixture(scope="module")
def recorded(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    workload = Workload(namespace="recorded", replicas=2, claims=("data", "logs"))
    directory = tmp_path_factory.mktemp("recorded") / "made" / "by-the-tool"
    with Trial(lab, workload, "user", directory) as trial:
        shown = _shown(trial)
        yield Recorded(migrate(trial, "-o", "json"), shown)


def _saved(recorded: Recorded) -> dict[str, bytes]:
    backup = recorded.directory / "backup"
    return {
        str(path.relative_to(backup)): path.read_bytes()
        for path in recorded.files
        if path.is_relative_to(backup)
    }


def test_the_backup_is_what_the_server_showed_before(recorded: Recorded) -> None:
    saved, shown = _saved(recorded), recorded.shown
    assert shown.keys() <= saved.keys()
    assert [name for name in shown if saved[name] != shown[name]] == []


def test_each_claim_and_volume_is_saved_once_more_right_before_it_goes(recorded: Recorded) -> None:
    saved, shown = _saved(recorded), recorded.shown
    last = {name: json.loads(saved[name])["metadata"] for name in saved.keys() - shown.keys()}
    assert sorted(last) == sorted(
        f"{folder}/{one['name']}.{one['uid']}.{one['resourceVersion']}.json"
        for name, one in last.items()
        for folder in (name.partition("/")[0],)
    )
    gone = [json.loads(data)["metadata"]["uid"] for name, data in shown.items() if _goes(name)]
    assert sorted(one["uid"] for one in last.values()) == sorted(gone)


def _goes(name: str) -> bool:
    return name.startswith(("persistentvolumeclaims/", "persistentvolumes/"))


def test_the_server_accepts_everything_that_is_to_be_restored(recorded: Recorded) -> None:
    """Objects that are there again under their old names are refused for their names only."""
    manifests = [
        json.loads(path.read_text())
        for path in recorded.files
        if path.is_relative_to(recorded.directory / "restore")
    ]
    outcomes = [(one["kind"], _dry_run(recorded, one)) for one in manifests]
    assert sorted(set(outcomes)) == [
        ("PersistentVolume", "accepted"),
        ("PersistentVolumeClaim", "there already"),
        ("Pod", "there already"),
        ("StatefulSet", "there already"),
    ]
    assert len(manifests) == 1 + 2 + 4 + 4


def test_only_its_owner_can_read_the_working_directory(recorded: Recorded) -> None:
    assert {_mode(path) for path in recorded.files} == {0o600}
    folders = [path for path in recorded.directory.rglob("*") if path.is_dir()]
    assert {_mode(path) for path in (recorded.directory, *folders)} == {0o700}


def test_no_secret_is_written_or_printed(recorded: Recorded) -> None:
    written = [path.read_text() for path in recorded.files]
    run = recorded.migration.run
    for secret in _secrets(recorded.migration.trial.lab):
        assert [text for text in (*written, run.stdout, run.stderr) if secret in text] == []


def test_every_intent_in_the_journal_was_done(recorded: Recorded) -> None:
    records = _journal(recorded)
    intents = [one["seq"] for one in records if one["type"] == "intent"]
    settled = [one["intent"] for one in records if one["type"] in ("done", "failed")]
    assert sorted(settled) == intents
    assert [one for one in records if one["type"] == "failed"] == []
    assert all(one["seq"] > one["intent"] for one in records if one["type"] == "done")


def test_the_journal_tells_of_every_write(recorded: Recorded) -> None:
    intents = [one for one in _journal(recorded) if one["type"] == "intent"]
    counts: dict[str, int] = {}
    for one in intents:
        counts[one["action"]] = counts.get(one["action"], 0) + 1
    replicas, claims = 2, 4
    for action in ("open-window", "delete-pod", "create-pod", "close-window"):
        assert counts[action] == replicas
    for action in ("delete-claim", "delete-volume", "create-volume", "create-claim"):
        assert counts[action] == claims
    assert counts["set-policy-retain"] == counts["set-policy-delete"] == claims


def test_every_line_of_the_journal_proves_the_lines_before_it(recorded: Recorded) -> None:
    previous = ""
    for line in (recorded.directory / "journal.jsonl").read_text().splitlines():
        body, _, end = line.rpartition(',"crc":"')
        checksum = f"{zlib.crc32((previous + body + '}').encode()):08x}"
        assert end == f'{checksum}"}}'
        previous = checksum


def test_the_journal_ends_with_the_end_of_the_run(recorded: Recorded) -> None:
    first, *_, last = _journal(recorded)
    assert first["type"] == "created"
    assert (last["type"], last["exitCode"]) == ("run-ended", 0)


def test_the_readme_names_every_volume(recorded: Recorded) -> None:
    rows = Readme(recorded.directory).rows
    assert [(row["pod"], row["claim"]) for row in rows] == [
        (pod, f"{claim}-{pod}") for pod in ("web-1", "web-0") for claim in ("data", "logs")
    ]
    for row in rows:
        old, new = (
            world.volume_of(row["claim"])
            for world in (recorded.migration.before, recorded.migration.after)
        )
        assert row["in-tree volume"] == old["metadata"]["name"]
        assert row["CSI volume"] == new["metadata"]["name"]
        assert row["disk"] == old["spec"]["vsphereVolume"]["volumePath"]
        assert row["reclaim policy"] == "Delete"


def test_every_line_of_json_is_an_event_of_the_known_schema(recorded: Recorded) -> None:
    assert {one["schemaVersion"] for one in recorded.events} == {1}
    assert all(one["time"].endswith("Z") for one in recorded.events)


def test_json_begins_with_the_run_and_ends_with_its_result(recorded: Recorded) -> None:
    first, *_, last = recorded.events
    assert (first["type"], first["replicas"]) == ("run-started", ["web-1", "web-0"])
    assert first["workingDirectory"] == str(recorded.directory)
    assert (last["type"], last["exitCode"]) == ("run-ended", 0)


def test_json_tells_of_each_replica_and_its_volumes(recorded: Recorded) -> None:
    done = [one for one in recorded.events if one["type"] == "replica-done"]
    assert [one["replica"] for one in done] == ["web-1", "web-0"]
    for volume in (volume for one in done for volume in one["volumes"]):
        old, new = (
            world.volume_of(volume["claim"])
            for world in (recorded.migration.before, recorded.migration.after)
        )
        assert volume["oldVolume"] == old["metadata"]["name"]
        assert volume["newVolume"] == new["metadata"]["name"]
        assert volume["diskId"] == new["spec"]["csi"]["volumeHandle"]
        assert volume["diskPath"] == old["spec"]["vsphereVolume"]["volumePath"]


def test_a_replica_can_be_taken_back_by_hand(recorded: Recorded) -> None:
    """As the README in the working directory says; this test changes the set, so it is last."""
    trial = recorded.migration.trial
    other = trial.pods()["web-0"]["metadata"]["uid"]
    Readme(recorded.directory).take_back(trial, "web-1")
    volumes = trial.volumes()
    for claim in ("data-web-1", "logs-web-1"):
        before = recorded.migration.before.volume_of(claim)
        assert volumes[claim]["metadata"]["name"] == before["metadata"]["name"]
        assert volumes[claim]["spec"]["vsphereVolume"] == before["spec"]["vsphereVolume"]
    assert trial.report().problems() == []
    crossings = {one.claim: one.judgement.crossings for one in trial.report().claims}
    assert crossings == {"data-web-0": 1, "logs-web-0": 1, "data-web-1": 2, "logs-web-1": 2}
    assert trial.pods()["web-0"]["metadata"]["uid"] == other


def _shown(trial: Trial) -> dict[str, bytes]:
    namespace = trial.workload.namespace
    world = World.of(trial.cluster, namespace)
    shown = {
        f"{plural}/{name}.json": trial.cluster.read(kind, name, namespace if kind in KINDS else "")
        for kind, plural in BACKED_UP.items()
        for name in world[kind]
    }
    for name in CLASSES:
        shown[f"storageclasses/{name}.json"] = trial.cluster.read("StorageClass", name)
    return shown


def _dry_run(recorded: Recorded, manifest: Object) -> str:
    try:
        recorded.migration.trial.cluster.create(manifest, dry_run=True)
    except ApiError as error:
        return "there already" if error.status == CREATED_ALREADY else str(error)
    return "accepted"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _secrets(lab: Lab) -> Iterator[str]:
    for name in ("password", "driver_password"):
        # The end is escaped differently by every format.
        yield lab.facts.vcenter[name].split(" ")[0]
    for cluster in ("admin", "user"):
        user = yaml.safe_load(lab.layout.kubeconfig(cluster, "tool").read_text())["users"][0]
        yield user["user"]["client-key-data"]
        yield user["user"]["client-certificate-data"]
    yield "PRIVATE KEY"
    yield '"eyJ'


def _journal(recorded: Recorded) -> list[dict[str, Any]]:
    lines = (recorded.directory / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
