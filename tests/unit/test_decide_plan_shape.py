"""A plan from outside may reach no further than the set that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.decide.plan_shape import strangers_in
from csi_migration.model.plan import ClaimPlan, MigrationPlan
from tests.unit.snapshots import changed, healthy

PLAN = plan_of(healthy())


def test_the_tools_own_plan_is_sound() -> None:
    assert strangers_in(PLAN) == ()


def with_claim(change: Callable[[ClaimPlan], ClaimPlan]) -> MigrationPlan:
    first, *others = PLAN.replicas
    claim, *rest = first.claims
    altered = replace(first, claims=(change(claim), *rest))
    return replace(PLAN, replicas=(altered, *others))


@pytest.mark.parametrize(
    ("field", "path", "value", "words"),
    [
        ("old_volume_manifest", "spec/hostPath", {"path": "/"}, "no in-tree vSphere volume"),
        ("new_volume_manifest", "spec/nfs", {"path": "/"}, "none of the vSphere CSI driver"),
        ("new_volume_manifest", "spec/csi/driver", "evil.example.com", "none of the vSphere"),
        ("new_volume_manifest", "spec/claimRef/namespace", "bank", "not for claim"),
        ("old_volume_manifest", "metadata/name", "pvc-of-bank", "not for claim"),
        ("old_volume_manifest", "spec/persistentVolumeReclaimPolicy", "Delete", "not for claim"),
        ("old_volume_manifest", "spec/vsphereVolume/volumePath", "[ds] b/x.vmdk", "another VMDK"),
        ("new_claim_manifest", "metadata/namespace", "bank", "another claim"),
        ("new_claim_manifest", "spec/volumeName", "pvc-of-bank", "another claim"),
        ("old_claim_manifest", "kind", "Secret", "another claim"),
    ],
)
def test_whatever_reaches_further_is_named(
    field: str, path: str, value: object, words: str
) -> None:
    altered = with_claim(
        lambda claim: replace(claim, **{field: changed(getattr(claim, field), path, value)})
    )

    assert any(words in each for each in strangers_in(altered))


def test_the_disk_must_be_the_one_that_the_volume_names() -> None:
    altered = with_claim(lambda claim: replace(claim, volume_path="[ds] bank/ledger.vmdk"))

    assert any("at another place" in each for each in strangers_in(altered))


def test_pods_and_sets_of_others_are_named() -> None:
    first, *others = PLAN.replicas
    pod = replace(first, pod_manifest=changed(first.pod_manifest, "metadata/namespace", "bank"))

    assert strangers_in(replace(PLAN, replicas=(pod, *others)))
    assert strangers_in(replace(PLAN, statefulset="other"))
