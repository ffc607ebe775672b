"""What the journal says was done and is not so, and only that, is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.disagreements import disagreements
from csi_migration.model.disk import Disk
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.seen import ClaimSeen, PodSeen, Presence, ReplicaSeen, Seen, SetSeen
from csi_migration.model.status import Disagreement, Write
from tests.unit.replica_world import replica_plan

ABSENT, OLD, NEW, FOREIGN = (
    Presence.ABSENT,
    Presence.OLD,
    Presence.NEW,
    Presence.FOREIGN,
)
REPLICA = replica_plan("data-web-2")
PLAN = MigrationPlan(
    namespace="shop",
    statefulset="web",
    uid="set-1",
    revision="web-5f7d",
    selector="app=web",
    statefulset_manifest={},
    original={},
    min_ready_seconds=0.0,
    replicas=(REPLICA,),
)
CLAIM = REPLICA.claims[0]
FILE = str(CLAIM.file.path)
IN_TREE = ClaimSeen(
    claim=Seen(OLD, CLAIM.uid),
    bound=True,
    old_volume=Seen(OLD, CLAIM.old_volume_uid),
    retain=False,
    new_volume=Seen(ABSENT),
    disk_looked_up=True,
)
ON_CSI = ClaimSeen(
    claim=Seen(NEW, "uid-new-claim"),
    bound=True,
    old_volume=Seen(ABSENT),
    retain=False,
    new_volume=Seen(NEW, "uid-new-volume"),
    disk=Disk("fcd-1", "sts-x", CLAIM.file.path, 0, keep_after_delete_vm=True),
    disk_looked_up=True,
)
IN_PLACE = SetSeen(OLD, "set-1")


def seen(claim: ClaimSeen = IN_TREE, **changes: Any) -> ReplicaSeen:
    whole = ReplicaSeen(IN_PLACE, PodSeen(OLD, "pod-old", ready=True), {CLAIM.name: claim})
    return replace(whole, **changes)


def write(action: str, kind: str, name: str, **more: Any) -> Write:
    fields: dict[str, Any] = {
        "uid": "",
        "result": "",
        "is_open": False,
        "time": "2026-11-22T20:10:00.000Z",
    }
    return Write(action, kind, name, **(fields | more))


def found(looked: ReplicaSeen, *writes: Write, is_at_work: bool = False) -> list[Disagreement]:
    return list(disagreements(PLAN, {REPLICA.pod: looked}, writes, is_at_work=is_at_work))


def told(looked: ReplicaSeen, *writes: Write) -> list[tuple[str, str]]:
    return [(each.id, each.subject) for each in found(looked, *writes)]


RETAIN = write("set-policy-retain", "PersistentVolume", CLAIM.old_volume)
GIVEN_BACK = write("set-policy-delete", "PersistentVolume", CLAIM.new_volume)
CREATED = write("create-volume", "PersistentVolume", CLAIM.new_volume, result="uid-new-volume")
CLAIMED = write("create-claim", "PersistentVolumeClaim", CLAIM.name, result="uid-new-claim")
PROTECTED = write("protect-disk", "VMDK", FILE, result="fcd-1")


def test_nothing_done_and_nothing_changed_agree() -> None:
    assert found(seen()) == []


def test_a_whole_migration_agrees() -> None:
    policy = replace(ON_CSI, new_retain=False)
    writes = (RETAIN, PROTECTED, CREATED, CLAIMED, GIVEN_BACK)
    assert found(seen(policy), *writes) == []


@pytest.mark.parametrize(
    ("claim", "writes", "expected"),
    [
        (IN_TREE, (RETAIN,), ("policy-changed", f"pv/{CLAIM.old_volume}")),
        (replace(IN_TREE, retain=True), (), ("policy-changed", f"pv/{CLAIM.old_volume}")),
        (
            replace(ON_CSI, new_retain=False),
            (CREATED,),
            ("policy-changed", f"pv/{CLAIM.new_volume}"),
        ),
        (ON_CSI, (CREATED, GIVEN_BACK), ("policy-changed", f"pv/{CLAIM.new_volume}")),
        (
            replace(ON_CSI, new_volume=Seen(ABSENT)),
            (CREATED,),
            ("undone", f"pv/{CLAIM.new_volume}"),
        ),
        (
            replace(ON_CSI, claim=Seen(NEW, "uid-other")),
            (CLAIMED,),
            ("undone", f"pvc/{CLAIM.name}"),
        ),
        (
            replace(ON_CSI, claim=Seen(NEW, "uid-new-claim", terminating=True)),
            (CLAIMED,),
            ("undone", f"pvc/{CLAIM.name}"),
        ),
        (replace(ON_CSI, disk=None), (PROTECTED,), ("undone", f"vmdk/{FILE}")),
        (
            IN_TREE,
            (write("delete-claim", "PersistentVolumeClaim", CLAIM.name, uid=CLAIM.uid),),
            ("undone", f"pvc/{CLAIM.name}"),
        ),
        (
            replace(IN_TREE, claim=Seen(FOREIGN, "uid-strange")),
            (write("delete-claim", "PersistentVolumeClaim", CLAIM.name, uid=CLAIM.uid),),
            ("unexplained", f"pod/{REPLICA.pod}"),
        ),
    ],
)
def test_what_is_not_as_the_journal_says_is_named(
    claim: ClaimSeen, writes: tuple[Write, ...], expected: tuple[str, str]
) -> None:
    assert told(seen(claim), *writes) == [expected]


def test_what_was_deleted_and_is_going_agrees() -> None:
    going = replace(IN_TREE, claim=Seen(OLD, CLAIM.uid, terminating=True))
    deleted = write("delete-claim", "PersistentVolumeClaim", CLAIM.name, uid=CLAIM.uid)
    assert found(seen(going), deleted) == []


def test_only_the_last_write_to_an_object_counts() -> None:
    opened = write("open-window", "StatefulSet", "web", uid="set-1")
    closed = write("close-window", "StatefulSet", "web", result="set-2")
    there = seen(statefulset=SetSeen(NEW, "set-2"))
    assert found(there, opened, closed) == []
    assert told(seen(), opened) == [("undone", "sts/web")]


def test_a_pod_that_its_controller_replaced_agrees() -> None:
    created = write("create-pod", "Pod", REPLICA.pod, result="uid-made")
    assert found(seen(), created) == []
    away = seen(pod=PodSeen(ABSENT), statefulset=SetSeen(ABSENT))
    assert told(away, created) == [("undone", f"pod/{REPLICA.pod}")]


@pytest.mark.parametrize(
    ("looked", "words"),
    [
        (seen(), "no effect yet"),
        (seen(statefulset=SetSeen(ABSENT)), "has taken effect"),
        (seen(statefulset=SetSeen(OLD, "set-1", terminating=True)), "has taken effect"),
    ],
)
def test_an_open_intent_is_judged_by_what_is_seen(looked: ReplicaSeen, words: str) -> None:
    opened = write("open-window", "StatefulSet", "web", uid="set-1", is_open=True)
    (only,) = found(looked, opened)
    assert (only.id, only.subject) == ("open-intent", "sts/web")
    assert words in only.message


def test_nothing_is_said_of_what_is_no_part_of_the_plan() -> None:
    backup = "csi-migration-web-backup-0"
    opened = write("create-second-backup", "ConfigMap", backup, is_open=True)
    assert found(seen(), opened) == []


def test_the_outcome_of_an_open_registration_is_seen_in_the_catalog() -> None:
    registering = write("register-disk", "VMDK", FILE, is_open=True)
    assert "no effect yet" in found(seen(), registering)[0].message
    assert (
        "has taken effect" in found(seen(replace(ON_CSI, new_retain=True)), registering)[0].message
    )


def test_while_a_run_is_at_work_only_strangers_count() -> None:
    opened = write("open-window", "StatefulSet", "web", uid="set-1", is_open=True)
    assert found(seen(), RETAIN, opened, is_at_work=True) == []
    strange = seen(statefulset=SetSeen(FOREIGN, "set-9"))
    assert [each.id for each in found(strange, is_at_work=True)] == ["unexplained"]
