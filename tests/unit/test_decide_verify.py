"""Each rule of a verification passes a whole migration and names exactly its own misfit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.last_applied import LAST_APPLIED
from csi_migration.decide.manifests import with_handle
from csi_migration.decide.plan import plan_of
from csi_migration.decide.verify_rules import (
    on_its_side,
    pod_as_before,
    pod_ready,
    set_as_before,
    set_in_place,
    templates_fit,
)
from csi_migration.decide.verify_volumes import (
    claim_and_disk,
    claim_as_planned,
    disk_held,
    disk_protected,
    policy_as_planned,
    volume_as_planned,
)
from csi_migration.model.disk import Disk
from csi_migration.model.evidence import ClaimEvidence, Evidence, Verdict
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

Raw = dict[str, Any]

PLAN = plan_of(healthy())
REPLICA = PLAN.replicas[0]
CLAIM = REPLICA.claims[0]
DISK = Disk("fcd-1", "n", CLAIM.file.path, 0, keep_after_delete_vm=True)


def the_set() -> Raw:
    """The set that the server makes of the plan."""
    made = copy.deepcopy(PLAN.statefulset_manifest)
    made["metadata"] |= {"uid": "set-2", "resourceVersion": "9"}
    made["status"] = {"updateRevision": PLAN.revision}
    made["spec"]["volumeClaimTemplates"][0]["status"] = {"phase": "Pending"}
    return made


def the_pod() -> Raw:
    owner = {"kind": "StatefulSet", "name": "web", "uid": "set-2", "controller": True}
    made = snapshots.pod(1)
    made["metadata"]["ownerReferences"] = [owner]
    return made


def on_csi() -> ClaimEvidence:
    claim = copy.deepcopy(CLAIM.new_claim_manifest)
    claim["metadata"]["uid"] = "uid-claim"
    claim["status"] = {"phase": "Bound"}
    volume = with_handle(CLAIM.new_volume_manifest, DISK.id)
    volume["spec"]["claimRef"]["uid"] = "uid-claim"
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
    volume["status"] = {"phase": "Bound"}
    return ClaimEvidence(claim, volume, DISK, registered=True, holders=("vm-1",))


def in_tree() -> ClaimEvidence:
    return ClaimEvidence(snapshots.claim(1), snapshots.volume(1), holders=("vm-1",))


def verdicts(evidence: ClaimEvidence, *, is_csi: bool = True) -> Iterator[Verdict]:
    yield on_its_side(CLAIM, evidence, wants_csi=is_csi)
    yield from claim_and_disk(CLAIM, evidence)
    yield disk_held(CLAIM, evidence, "node-1", "vm-1")
    if evidence.claim is None or evidence.volume is None:
        return
    yield claim_as_planned(CLAIM, evidence.claim)
    yield volume_as_planned(CLAIM, evidence.volume)
    yield policy_as_planned(CLAIM, evidence.volume, is_finished=True)
    yield from disk_protected(CLAIM, evidence)


def problems(found: Iterator[Verdict]) -> list[str]:
    return [verdict.id for verdict in found if not verdict.is_ok]


def test_a_migrated_claim_is_well() -> None:
    assert problems(verdicts(on_csi())) == []


def test_a_claim_that_was_taken_back_is_well() -> None:
    assert problems(verdicts(in_tree(), is_csi=False)) == []


@pytest.mark.parametrize("evidence", [on_csi(), in_tree()])
def test_every_problem_says_what_to_do(evidence: ClaimEvidence) -> None:
    broken = replace(evidence, volume=None, holders=())
    assert all(each.resolution for each in verdicts(broken) if not each.is_ok)


@pytest.mark.parametrize(
    ("part", "path", "value", "rules"),
    [
        ("claim", "status/phase", "Lost", ["claim-bound"]),
        ("claim", "metadata/uid", "another", ["claim-bound"]),
        ("claim", "spec/storageClassName", "other", ["claim-spec"]),
        ("claim", "metadata/labels", {}, ["claim-spec"]),
        ("volume", "status/phase", "Released", ["claim-bound"]),
        ("volume", "spec/csi/driver", "other", ["volume-spec"]),
        ("volume", "spec/csi/fsType", "xfs", ["volume-spec"]),
        ("volume", "spec/accessModes", ["ReadWriteMany"], ["volume-spec"]),
        ("volume", "spec/mountOptions", ["ro"], ["volume-spec"]),
        ("volume", "spec/nodeAffinity", {}, ["volume-spec"]),
        ("volume", "spec/capacity/storage", "1023Mi", ["volume-spec"]),
        ("volume", "spec/capacity/storage", "2Gi", []),
        ("volume", "spec/persistentVolumeReclaimPolicy", "Retain", ["volume-policy"]),
    ],
)
def test_a_misfit_of_a_csi_claim_is_named(
    part: str, path: str, value: object, rules: list[str]
) -> None:
    evidence = on_csi()
    misfit = replace(evidence, **{part: changed(getattr(evidence, part), path, value)})
    assert problems(verdicts(misfit)) == rules


@pytest.mark.parametrize(
    ("field", "value", "rules"),
    [
        ("claim", None, ["claim-side", "claim-bound"]),
        ("volume", None, ["claim-bound"]),
        ("disk", None, ["volume-disk"]),
        ("disk", replace(DISK, path=replace(DISK.path, file="other.vmdk")), ["volume-disk"]),
        ("disk", replace(DISK, keep_after_delete_vm=False), ["disk-protected"]),
        ("registered", False, ["disk-registered"]),
        ("holders", (), ["disk-held"]),
        ("holders", ("vm-1", "vm-2"), ["disk-held"]),
        ("holders", ("vm-2",), ["disk-held"]),
    ],
)
def test_what_is_missing_behind_a_claim_is_named(
    field: str, value: object, rules: list[str]
) -> None:
    assert problems(verdicts(replace(on_csi(), **{field: value}))) == rules  # type: ignore[arg-type]


def test_an_in_tree_volume_on_another_disk_is_named() -> None:
    evidence = in_tree()
    other = changed(evidence.volume, "spec/vsphereVolume/volumePath", "[ds] other.vmdk")
    assert problems(verdicts(replace(evidence, volume=other), is_csi=False)) == [
        "volume-disk",
        "volume-spec",
    ]


def test_a_disk_without_a_pod_is_held_by_nobody() -> None:
    assert disk_held(CLAIM, replace(on_csi(), holders=()), "", "").is_ok
    assert not disk_held(CLAIM, on_csi(), "", "").is_ok


def test_a_node_whose_machine_is_unknown_may_hold_its_disk_alone() -> None:
    assert disk_held(CLAIM, on_csi(), "node-1", "").is_ok
    assert not disk_held(CLAIM, replace(on_csi(), holders=("a", "b")), "node-1", "").is_ok


@pytest.mark.parametrize(
    ("at_first", "policy", "is_finished", "is_ok"),
    [
        ("Delete", "Retain", False, True),
        ("Delete", "Retain", True, False),
        ("Delete", "Delete", False, True),
        ("Retain", "Delete", False, False),
        ("Recycle", "Retain", True, True),
    ],
)
def test_the_policy_of_the_beginning_comes_back(
    at_first: str, policy: str, is_finished: bool, is_ok: bool
) -> None:
    volume = changed(on_csi().volume, "spec/persistentVolumeReclaimPolicy", policy)
    planned = replace(CLAIM, reclaim_policy=at_first)
    assert policy_as_planned(planned, volume, is_finished=is_finished).is_ok is is_ok


def test_the_new_set_is_as_before() -> None:
    assert problems(set_as_before(PLAN, the_set())) == []


def test_kubectls_record_follows_the_class_and_is_no_change() -> None:
    record = "metadata/annotations"
    original = changed(PLAN.original, record, {LAST_APPLIED: '{"spec": "in-tree"}'})
    there = changed(the_set(), record, {LAST_APPLIED: '{"spec": "csi"}'})
    assert problems(set_as_before(replace(PLAN, original=original), there)) == []
    other = changed(there, record, {LAST_APPLIED: "{}", "own.shop/x": "1"})
    assert problems(set_as_before(replace(PLAN, original=original), other)) == ["set-metadata"]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("spec/replicas", 3, "set-spec"),
        ("spec/volumeClaimTemplates/0/spec/accessModes", [], "set-spec"),
        ("metadata/labels", {}, "set-metadata"),
        ("metadata/ownerReferences", [{"kind": "Cluster"}], "set-metadata"),
        ("status/updateRevision", "web-new", "set-revision"),
    ],
)
def test_a_set_that_was_changed_is_named(path: str, value: object, rule: str) -> None:
    assert problems(set_as_before(PLAN, changed(the_set(), path, value))) == [rule]


def test_a_set_that_is_away_is_named() -> None:
    assert not set_in_place(PLAN, None).is_ok
    assert set_in_place(PLAN, the_set()).is_ok


@pytest.mark.parametrize(
    ("make", "statefulset", "is_ok"),
    [
        (on_csi, the_set(), True),
        (on_csi, PLAN.original, False),
        (in_tree, PLAN.original, True),
        (in_tree, the_set(), False),
    ],
)
def test_the_templates_follow_the_claims(
    make: Callable[[], ClaimEvidence], statefulset: Raw, is_ok: bool
) -> None:
    claims = {c.name: in_tree() for r in PLAN.replicas for c in r.claims} | {CLAIM.name: make()}
    found = list(templates_fit(PLAN, Evidence(statefulset, {}, claims)))
    assert [each.is_ok for each in found] == [is_ok]


def test_a_pod_of_the_set_is_well() -> None:
    assert pod_ready(REPLICA, the_pod()).is_ok
    assert problems(pod_as_before(PLAN, REPLICA, the_pod(), the_set())) == []


def test_a_pod_that_is_not_as_before_is_named() -> None:
    other = changed(the_pod(), "metadata/labels/controller-revision-hash", "web-new")
    assert problems(pod_as_before(PLAN, REPLICA, other, the_set())) == ["pod-revision"]
    orphan = snapshots.pod(1)
    assert problems(pod_as_before(PLAN, REPLICA, orphan, the_set())) == ["pod-owner"]
    assert not pod_ready(REPLICA, None).is_ok
    assert not pod_ready(REPLICA, changed(the_pod(), "status/conditions", [])).is_ok
