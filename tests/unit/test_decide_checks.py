"""Each check passes a healthy set and names exactly its own misfit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import CHECKS, blockers, findings
from csi_migration.decide.plan import plan_of
from csi_migration.model.finding import Severity
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import DiskAttachment, DiskLook, DryRun, Snapshot
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

OWNER = {"kind": "Cluster", "name": "web", "uid": "u", "controller": True}
TERMINATING = "2026-01-01T00:00:00Z"


def fired(snapshot: Snapshot) -> set[str]:
    return {f.id for f in findings(snapshot) if f.severity is not Severity.PASSED}


def test_a_healthy_set_passes_every_check() -> None:
    found = findings(healthy())

    assert {f.severity for f in found} == {Severity.PASSED}
    assert [f.id for f in found] == [check.id for check in CHECKS]
    assert blockers(found) == ()


def test_ids_are_unique() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))


MISFITS: list[tuple[str, str, Any]] = [
    ("server-version", "server_version", "v1.34.1"),
    ("set-steady", "statefulset/status/observedGeneration", 0),
    ("set-steady", "statefulset/status/currentRevision", "web-old"),
    ("set-steady", "statefulset/status/replicas", 1),
    ("set-steady", "statefulset/metadata/deletionTimestamp", TERMINATING),
    ("replicas-ready", "pods/0/status/conditions", []),
    ("replicas-ready", "pods/0/metadata/deletionTimestamp", TERMINATING),
    ("replicas-ready", "pods/0", None),
    ("revisions-equal", "revisions", {}),
    ("revisions-equal", "pods/0/metadata/labels/controller-revision-hash", "web-old"),
    (
        "claim-retention",
        "statefulset/spec/persistentVolumeClaimRetentionPolicy",
        {"whenDeleted": "Delete"},
    ),
    ("set-owner", "statefulset/metadata/ownerReferences", [OWNER]),
    ("gitops", "statefulset/metadata/annotations", {"argocd.argoproj.io/tracking-id": "x"}),
    ("set-finalizers", "statefulset/metadata/finalizers", ["shop.example/own"]),
    ("disruption-budget", "budgets", (snapshots.budget(0),)),
    ("classes", "classes/standard-rwo/provisioner", "other.example"),
    ("classes", "classes/standard", None),
    ("claim-templates", "statefulset/spec/volumeClaimTemplates", []),
    ("claims-bound", "claims/data-web-0/status/phase", "Lost"),
    ("claims-bound", "claims/data-web-0", None),
    ("claims-bound", "volumes/pvc-0", None),
    ("claims-bound", "volumes/pvc-0/spec/claimRef/uid", "other"),
    ("claims-bound", "claims/data-web-0/metadata/deletionTimestamp", TERMINATING),
    ("volumes-in-tree", "volumes/pvc-0/spec/vsphereVolume", None),
    ("volumes-in-tree", "volumes/pvc-0/spec/storageClassName", "fast"),
    ("volumes-in-tree", "claims/data-web-0/spec/storageClassName", "fast"),
    ("volume-paths", "volumes/pvc-0/spec/vsphereVolume/volumePath", "disk-0"),
    (
        "volume-paths",
        "volumes/pvc-0/spec/vsphereVolume/volumePath",
        "[/DC0/datastore/ds]kubevols/disk-1",
    ),
    ("claims-settled", "claims/data-web-0/spec/resources/requests/storage", "2Gi"),
    (
        "claims-settled",
        "claims/data-web-0/status/conditions",
        [{"type": "Resizing", "status": "True"}],
    ),
    ("volume-names", "volumes/pvc-0-csi", snapshots.volume(9)),
    ("topology", "volumes/pvc-0/metadata/labels", {"topology.kubernetes.io/zone": "a"}),
    ("driver-on-nodes", "csi_nodes", {}),
    ("driver-on-nodes", "csi_nodes/node-1/metadata/annotations", {}),
    (
        "attachments",
        "attachments",
        ({"metadata": {"name": "va"}, "status": {"detachError": {"message": "m"}}},),
    ),
    ("disks-found", "disks/data-web-0", DiskLook(problem="not there")),
    ("one-vcenter", "vcenters", 2),
    ("certificates", "unverified", ("vCenter's certificate is not verified",)),
    ("permissions", "denied", ("create pods",)),
    ("vcenter-privileges", "missing_privileges", ("Cns.Searchable on Datacenters",)),
    ("dry-runs", "dry_runs", (DryRun("pod/web-0", accepted=False, message="no"),)),
]


@pytest.mark.parametrize(("check", "path", "value"), MISFITS)
def test_a_misfit_is_named_by_its_check_alone(check: str, path: str, value: Any) -> None:
    snapshot = changed(healthy(), path, value)
    if check == "topology":
        snapshot = changed(snapshot, "csi_nodes/node-1/spec/drivers/0/topologyKeys", [])

    assert fired(snapshot) == {check}


def test_another_pod_on_a_claim_is_named() -> None:
    job = changed(snapshots.pod(0), "metadata/name", "backup-job")
    snapshot = replace(healthy(), namespace_pods=(*healthy().namespace_pods, job))

    assert fired(snapshot) == {"claims-unshared"}


def test_an_inline_volume_on_the_same_disk_is_named() -> None:
    inline = {"vsphereVolume": {"volumePath": "[ds] kubevols/disk-0"}}
    other = {"metadata": {"name": "other"}, "spec": {"volumes": [inline]}}
    snapshot = replace(healthy(), namespace_pods=(*healthy().namespace_pods, other))

    assert fired(snapshot) == {"volume-paths"}


@pytest.mark.parametrize(
    "attachment",
    [
        DiskAttachment("node-1", sharing="sharingMultiWriter"),
        DiskAttachment("node-1", parent="[ds] kubevols/base.vmdk"),
        DiskAttachment("node-1", flat=False),
        DiskAttachment("node-1", disk_mode="independent_nonpersistent"),
    ],
    ids=["shared", "delta", "raw device", "nonpersistent"],
)
def test_disks_that_are_no_plain_vmdks_are_named(attachment: DiskAttachment) -> None:
    look = replace(snapshots.look(0), attachments=(attachment,))

    assert fired(changed(healthy(), "disks/data-web-0", look)) == {"disks-plain"}


def test_a_stale_record_of_the_driver_is_named() -> None:
    look = replace(snapshots.look(0), recorded_id="another")

    assert fired(changed(healthy(), "disks/data-web-0", look)) == {"disks-catalog"}


def test_a_template_that_comes_back_changed_is_named() -> None:
    returned = changed(snapshots.statefulset(), "spec/template/spec/hostname", "x")
    answer = DryRun("statefulset/web", accepted=True, returned=returned)

    assert fired(replace(healthy(), dry_runs=(answer,))) == {"template-unchanged"}


def test_what_was_not_looked_at_is_not_passed() -> None:
    ids = {f.id for f in findings(replace(healthy(), dry_runs=(), disks={}))}

    assert ids.isdisjoint({"dry-runs", "template-unchanged", "disks-found", "disks-plain"})


def test_a_run_long_window_and_a_single_replica_are_warned_of_only() -> None:
    snapshot = changed(healthy(), "statefulset/spec/replicas", 1)
    snapshot = changed(snapshot, "statefulset/status/replicas", 1)
    snapshot = replace(snapshot, request=replace(snapshot.request, window=Window.RUN))

    assert fired(snapshot) == {"single-replica", "window"}
    assert blockers(findings(snapshot)) == ()


def test_the_plan_begins_with_the_highest_ordinal() -> None:
    snapshot = changed(healthy(), "statefulset/spec/ordinals", {"start": 0})
    plan = plan_of(snapshot)

    assert [replica.pod for replica in plan.replicas] == ["web-1", "web-0"]
    assert plan.selector == "app=web"
    claim = plan.replicas[0].claims[0]
    assert (claim.old_volume, claim.new_volume, claim.disk_id, claim.reclaim_policy) == (
        "pvc-1",
        "pvc-1-csi",
        "fcd-1",
        "Delete",
    )
