"""Status and verification as people and machines read them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from csi_migration.model.evidence import Verdict, Verification
from csi_migration.model.status import (
    ClaimStatus,
    Disagreement,
    LastRun,
    LeaseStatus,
    NextStep,
    PodState,
    ReplicaStatus,
    RunState,
    SetState,
    Status,
    StepKind,
)
from csi_migration.report.status import status_json, status_text
from csi_migration.report.verification import verification_json, verification_text

RUN = LastRun(
    command="all",
    tool_version="0.1.0",
    started="2026-11-22T20:10:00.000Z",
    state=RunState.STOPPED,
    ended="2026-11-22T20:12:00.000Z",
    exit_code=5,
    told="web-1 is away.",
)
REPLICA = ReplicaStatus(
    ordinal=1,
    pod="web-1",
    pod_state=PodState.AWAY,
    side="between volumes",
    claims=(
        ClaimStatus(
            "data-web-1", "between volumes", False, "pvc-1", "", "fcd-1", "[ds] kubevols/1.vmdk"
        ),
    ),
    forwards=NextStep(StepKind.ACT, "create the CSI volume", "create-volume", "data-web-1"),
    back=NextStep(StepKind.REFUSE, "volume pvc-1 was made by somebody else"),
)
STATUS = Status(
    namespace="shop",
    statefulset="web",
    cluster="https://127.0.0.1:6443",
    working_directory="/srv/web",
    window="replica",
    last_run=RUN,
    lease=None,
    set_state=SetState.AWAY,
    replicas=(REPLICA,),
    disagreements=(Disagreement("undone", "pvc/data-web-1", "is not there", "Find out who."),),
    resume="tool resume --working-directory /srv/web",
    rollback="tool rollback --working-directory /srv/web",
)
TEXT = """\
StatefulSet:  shop/web, away; its pods run without a controller
Cluster:      https://127.0.0.1:6443
Directory:    /srv/web
Last run:     all (window replica), begun 2026-11-22T20:10:00.000Z, stopped
              2026-11-22T20:12:00.000Z with exit code 5
              web-1 is away.

REPLICA   POD    CLAIM        SIDE      IN-TREE-VOLUME   CSI-VOLUME   FCD
web-1     Away   data-web-1   between   pvc-1            <none>       fcd-1

web-1  forwards: create the CSI volume (data-web-1)
       back:     none, it needs a person: volume pvc-1 was made by somebody else

Journal and cluster disagree (1):
  pvc/data-web-1: is not there [undone]
    To do: Find out who.

Go on with:    tool resume --working-directory /srv/web
Go back with:  tool rollback --working-directory /srv/web
"""


def test_status_is_told_from_the_run_to_the_next_command() -> None:
    assert status_text(STATUS) == TEXT


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RunState.AT_WORK, "at work now"),
        (RunState.FINISHED, "finished 2026-11-22T20:12:00.000Z"),
        (RunState.KILLED, "killed: it recorded no end"),
    ],
)
def test_what_became_of_the_last_run_is_said(state: RunState, words: str) -> None:
    told = status_text(replace(STATUS, last_run=replace(RUN, state=state)))
    assert words in " ".join(told.split())


@pytest.mark.parametrize(("is_alive", "word"), [(True, "alive"), (False, "dead")])
def test_the_holder_of_the_lease_is_named(is_alive: bool, word: str) -> None:
    lease = LeaseStatus("ops@host pid 7", "2026-11-22T20:10:00Z", 3.2, is_alive)
    told = " ".join(status_text(replace(STATUS, lease=lease)).split())
    assert f"ops@host pid 7, since 2026-11-22T20:10:00Z, renewed 3.2 s ago: {word}" in told


def test_with_nothing_left_to_do_no_command_is_told() -> None:
    told = status_text(replace(STATUS, disagreements=(), resume="", rollback=""))
    assert told.endswith("\nJournal and cluster agree.\n")


def test_status_for_machines_holds_everything_under_stable_names() -> None:
    told = json.loads(status_json(STATUS))
    assert (told["schemaVersion"], told["type"]) == (1, "status")
    assert told["lastRun"] == {
        "command": "all",
        "toolVersion": "0.1.0",
        "started": RUN.started,
        "state": "stopped",
        "ended": RUN.ended,
        "exitCode": 5,
        "told": "web-1 is away.",
    }
    assert (told["setState"], told["lease"]) == ("away", None)
    (replica,) = told["replicas"]
    assert (replica["podState"], replica["forwards"]["kind"]) == ("away", "act")
    assert replica["claims"][0] == {
        "name": "data-web-1",
        "side": "between volumes",
        "isBound": False,
        "inTreeVolume": "pvc-1",
        "csiVolume": "",
        "diskId": "fcd-1",
        "diskPath": "[ds] kubevols/1.vmdk",
    }


VERIFICATION = Verification(
    namespace="shop",
    statefulset="web",
    cluster="https://127.0.0.1:6443",
    working_directory="/srv/web",
    command="all",
    is_finished=True,
    verdicts=(
        Verdict("pod-ready", "pod/web-1", is_ok=True, message="Ready"),
        Verdict("volume-policy", "pv/pvc-1", False, "its policy is Retain", "Patch it."),
    ),
)


def test_a_verification_has_one_finding_a_line_and_what_to_do() -> None:
    assert verification_text(VERIFICATION) == (
        "ok       pod/web-1: Ready [pod-ready]\n"
        "problem  pv/pvc-1: its policy is Retain [volume-policy]\n"
        "         To do: Patch it.\n"
        "Not all is well with shop/web: 1 problem in 2 findings.\n"
    )


def test_a_verification_without_problems_says_so() -> None:
    well = replace(VERIFICATION, verdicts=VERIFICATION.verdicts[:1])
    assert verification_text(well).endswith("All is well with shop/web: 1 finding, no problem.\n")


def test_a_verification_for_machines_counts_and_lists() -> None:
    told = json.loads(verification_json(VERIFICATION))
    assert (told["type"], told["isFinished"]) == ("verification", True)
    assert told["summary"] == {"ok": 1, "problem": 1}
    assert told["findings"][1] == {
        "id": "volume-policy",
        "subject": "pv/pvc-1",
        "isOk": False,
        "message": "its policy is Retain",
        "resolution": "Patch it.",
    }
