"""What must never happen during a migration, judged from outside on a real control plane.

`python -m tests.mutations` breaks the tool on purpose and expects these to fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lab.manifests import Workload
from tests.lab.history import History, Moment
from tests.lab.labkit import Lab, ToolRun, Trial

States = list[tuple[Moment, dict[tuple[str, str], dict[str, Any]]]]
CLAIMS = ("data", "logs")
PODS = ("web-0", "web-1")


@dataclass(frozen=True, slots=True)
class Watched:
    """A migration that ran under observation."""

    trial: Trial
    run: ToolRun
    states: States


@pytest.fixture(scope="module")
def watched(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Policy Delete, so that a mistake really destroys a disk."""
    workload = Workload("safety", replicas=len(PODS), claims=CLAIMS, reclaim_policy="Delete")
    directory = tmp_path_factory.mktemp("safety") / "work"
    with Trial(lab, workload, "user", directory) as trial:
        with History(trial.cluster) as history:
            run = trial.migrate("--soak-seconds", "1")
        yield Watched(trial, run, [(moment, dict(there)) for moment, there in history.states()])


def claims_in(there: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    kinds = ((kind, body) for (kind, _), body in there.items())
    return {b["metadata"]["name"]: b for kind, b in kinds if kind == "PersistentVolumeClaim"}


def volumes_of(there: dict[tuple[str, str], dict[str, Any]], claim: str) -> list[dict[str, Any]]:
    """The volumes whose claimRef names the claim."""
    return [
        body
        for (kind, _), body in there.items()
        if kind == "PersistentVolume"
        and (body["spec"].get("claimRef") or {}).get("name") == claim
        and body["spec"]["claimRef"]["namespace"] == "safety"
    ]


def claim_names() -> list[str]:
    return [f"{claim}-{pod}" for claim in CLAIMS for pod in PODS]


def test_the_migration_succeeds_and_loses_nothing(watched: Watched) -> None:
    assert watched.run.exit_code == 0, str(watched.run)
    watched.trial.assert_migrated()


def test_no_claim_goes_while_its_volume_could_be_deleted(watched: Watched) -> None:
    before: dict[tuple[str, str], dict[str, Any]] = {}
    gone = set()
    for moment, there in watched.states:
        if moment.kind == "PersistentVolumeClaim" and moment.is_gone:
            policies = {
                v["spec"]["persistentVolumeReclaimPolicy"] for v in volumes_of(before, moment.name)
            }
            assert policies == {"Retain"}, moment.name
            gone.add(moment.name)
        before = there
    assert gone == set(claim_names())


def test_the_new_volume_is_made_only_after_the_old_one_is_gone(watched: Watched) -> None:
    for moment, there in watched.states:
        for claim in claim_names():
            assert len(volumes_of(there, claim)) <= 1, (moment.name, claim)


def test_nothing_is_deleted_or_made_while_the_disk_is_attached(watched: Watched) -> None:
    """No attachment of a claim's old volume is left when the claim is asked to go."""
    asked = set()
    for moment, there in watched.states:
        going = moment.body["metadata"].get("deletionTimestamp")
        if moment.kind != "PersistentVolumeClaim" or not (going or moment.is_gone):
            continue
        volume = moment.body["spec"]["volumeName"]
        attached = [
            name
            for (kind, name), body in there.items()
            if kind == "VolumeAttachment"
            and body["spec"]["source"].get("persistentVolumeName") == volume
        ]
        assert attached == [], moment.name
        asked.add(moment.name)
    assert asked == set(claim_names())


def test_the_set_is_away_whenever_a_claim_is_missing(watched: Watched) -> None:
    begun = False
    for moment, there in watched.states:
        present = set(claims_in(there)) & set(claim_names())
        begun = begun or present == set(claim_names())
        if begun and present != set(claim_names()):
            assert ("StatefulSet", "web") not in there, moment.name


def test_every_deletion_names_the_uid_of_what_it_deletes(watched: Watched) -> None:
    log = watched.trial.lab.layout.audit_log("user").read_text().splitlines()
    deletions = [
        entry
        for entry in map(json.loads, log)
        if entry["verb"] == "delete"
        and entry["user"]["username"] == "migration-tool"
        and entry["objectRef"].get("resource") != "leases"
    ]
    assert deletions
    for entry in deletions:
        preconditions = entry.get("requestObject", {}).get("preconditions") or {}
        assert preconditions.get("uid"), entry["requestURI"]
