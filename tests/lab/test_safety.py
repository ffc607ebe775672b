"""What must never happen on the way to CSI volumes and back, judged from outside on a real
control plane.

`make mutations` breaks the tool on purpose and expects these to fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from lab.client import Object
from lab.manifests import Workload
from tests.lab.adversarykit import mark
from tests.lab.interruptkit import QUICK
from tests.lab.labkit import Lab, ToolRun, Trial
from tests.lab.witness import DELETED, Change, Witness

There = dict[tuple[str, str], Object]
"""Every object that is there at one moment, by kind and name."""

# Policy Delete, so that a mistake really destroys a disk.
WORKLOAD = Workload("safety", replicas=2, claims=("data", "logs"), reclaim_policy="Delete")
CLAIMS = set(WORKLOAD.claim_names)


@dataclass(frozen=True, slots=True)
class Watched:
    """A run that was under observation, on the set's way to CSI volumes or back.

    `audit` is what the API server wrote down meanwhile.
    """

    trial: Trial
    goes_back: bool
    run: ToolRun
    states: list[tuple[Change, There]]
    audit: list[str]

    def assert_succeeded(self) -> None:
        assert self.run.exit_code == 0, str(self.run)
        self.trial.assert_taken_back() if self.goes_back else self.trial.assert_migrated()

    def volumes_of(self, there: There, claim: str) -> list[Object]:
        """The volumes that a claim of the set has or had."""
        reference = (self.trial.workload.namespace, claim)
        return [
            volume
            for volume in of_kind(there, "PersistentVolume")
            if (found := volume["spec"].get("claimRef"))
            and (found["namespace"], found["name"]) == reference
        ]

    @property
    def claims(self) -> dict[str, str]:
        """The claim of each volume that was there at any moment, by the volume's name."""
        return {
            volume["metadata"]["name"]: claim
            for _, there in self.states
            for claim in CLAIMS
            for volume in self.volumes_of(there, claim)
        }


@pytest.fixture(scope="module", params=["there", "back"])
def watched(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("safety") / "work"
    workload = replace(WORKLOAD, namespace=f"safety-{request.param}")
    with Trial(lab, workload, "user", directory) as trial:
        yield watch(trial, goes_back=request.param == "back")


def watch(trial: Trial, *, goes_back: bool) -> Watched:
    if goes_back:
        done = trial.migrate(*QUICK)
        assert done.exit_code == 0, str(done)
        trial.assert_migrated()
    line = mark(trial)
    with Witness(trial.cluster, trial.workload.namespace) as witness:
        run = trial.rollback() if goes_back else trial.migrate()
    audit = trial.lab.layout.audit_log("user").read_text().splitlines()[line:]
    return Watched(trial, goes_back, run, list(states(witness)), audit)


def states(witness: Witness) -> Iterator[tuple[Change, There]]:
    """Each change, and what is there right after it."""
    there: There = {}
    kinds = ("PersistentVolume", "PersistentVolumeClaim", "StatefulSet", "VolumeAttachment")
    for change in witness.changes(*kinds):
        if change.type == DELETED:
            there = {key: item for key, item in there.items() if key != (change.kind, change.name)}
        else:
            there = there | {(change.kind, change.name): change.item}
        yield change, there


def of_kind(there: There, kind: str) -> list[Object]:
    return [item for (found, _), item in there.items() if found == kind]


TOOL = "statefulset-csi-migration-tool/"


def test_the_migration_succeeds_and_loses_nothing(watched: Watched) -> None:
    watched.assert_succeeded()


def test_no_claim_goes_while_its_disk_could_be_deleted(watched: Watched) -> None:
    gone = set()
    for change, there in watched.states:
        if change.kind == "PersistentVolumeClaim" and change.type == DELETED:
            volumes = watched.volumes_of(there, change.name)
            policies = {v["spec"]["persistentVolumeReclaimPolicy"] for v in volumes}
            assert policies == {"Retain"}, change.name
            gone.add(change.name)
    assert gone == CLAIMS


def test_no_volume_goes_while_its_disk_could_be_deleted(watched: Watched) -> None:
    gone, claims = set(), watched.claims
    for change, _ in watched.states:
        is_going = change.item["metadata"].get("deletionTimestamp") or change.type == DELETED
        if change.kind == "PersistentVolume" and is_going and change.name in claims:
            assert change.item["spec"]["persistentVolumeReclaimPolicy"] == "Retain", change.name
            gone.add(claims[change.name])
    assert gone == CLAIMS


def test_the_new_volume_is_made_only_after_the_old_one_is_gone(watched: Watched) -> None:
    for change, there in watched.states:
        for claim in CLAIMS:
            assert len(watched.volumes_of(there, claim)) <= 1, (change.name, claim)


def test_no_claim_is_asked_to_go_while_its_disk_is_attached(watched: Watched) -> None:
    asked = set()
    for change, there in watched.states:
        is_going = change.item["metadata"].get("deletionTimestamp") or change.type == DELETED
        if change.kind == "PersistentVolumeClaim" and is_going:
            attachments = of_kind(there, "VolumeAttachment")
            attached = {a["spec"]["source"].get("persistentVolumeName") for a in attachments}
            assert change.item["spec"]["volumeName"] not in attached, change.name
            asked.add(change.name)
    assert asked == CLAIMS


def test_no_disk_is_attached_under_two_names(watched: Watched) -> None:
    seen, claims = set(), watched.claims
    for change, there in watched.states:
        sources = [one["spec"]["source"] for one in of_kind(there, "VolumeAttachment")]
        ours = [found for one in sources if (found := one.get("persistentVolumeName")) in claims]
        attached = [claims[name] for name in ours]
        assert len(attached) == len(set(attached)), (change.name, ours)
        seen.update(ours)
    assert seen == set(claims)


def test_the_set_is_away_whenever_a_claim_is_missing(watched: Watched) -> None:
    begun = False
    for change, there in watched.states:
        claims = {claim["metadata"]["name"] for claim in of_kind(there, "PersistentVolumeClaim")}
        begun = begun or claims >= CLAIMS
        if begun and not claims >= CLAIMS:
            assert of_kind(there, "StatefulSet") == [], change.name
    assert begun


def test_every_deletion_names_the_uid_of_what_it_deletes(watched: Watched) -> None:
    # Of the tool itself: other tests borrow its identity.
    deletions = [
        entry
        for entry in map(json.loads, watched.audit)
        if entry["verb"] == "delete" and entry["userAgent"].startswith(TOOL)
    ]
    assert deletions
    for entry in deletions:
        preconditions = entry.get("requestObject", {}).get("preconditions") or {}
        assert preconditions.get("uid"), entry["requestURI"]
