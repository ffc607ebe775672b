"""Each check passes a healthy set and names exactly its own misfit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csi_migration.decide.catalogue import CHECKS, Check, blockers, findings
from csi_migration.decide.plan import plan_of
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import DiskAttachment, DiskLook, DryRun, Snapshot
from csi_migration.report.checks import checks_markdown
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

OWNER = {"kind": "Cluster", "name": "web", "uid": "u", "controller": True}
TERMINATING = "2026-01-01T00:00:00Z"


def echoed(snapshot: Snapshot) -> tuple[DryRun, ...]:
    """The server returns the set as it is."""
    return (snapshots.accepted(snapshot.statefulset),)


def told(snapshot: Snapshot) -> list[Finding]:
    return [f for f in findings(snapshot) if f.severity is not Severity.PASSED]


def fired(snapshot: Snapshot) -> set[str]:
    return {f.id for f in told(snapshot)}


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
    ("replicas-ready", "statefulset/status/availableReplicas", 1),
    ("replicas-ready", "statefulset/spec/minReadySeconds", 30),
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
    ("autoscaler", "autoscalers", (snapshots.autoscaler(),)),
    ("autoscaler", "autoscalers", None),
    ("classes", "classes/standard-rwo/provisioner", "other.example"),
    ("classes", "classes/standard", None),
    ("claim-templates", "statefulset/spec/volumeClaimTemplates", []),
    ("claims-bound", "claims/data-web-0/status/phase", "Lost"),
    ("claims-bound", "claims/data-web-0", None),
    ("claims-bound", "volumes/pvc-0", None),
    ("claims-bound", "volumes/pvc-0/spec/claimRef/uid", "other"),
    ("claims-bound", "claims/data-web-0/metadata/deletionTimestamp", TERMINATING),
    ("volumes-in-tree", "volumes/pvc-0/spec/vsphereVolume", None),
    ("volumes-class", "volumes/pvc-0/spec/storageClassName", "fast"),
    ("volumes-class", "volumes/pvc-0/spec/storageClassName", None),
    ("volumes-class", "claims/data-web-0/spec/storageClassName", "fast"),
    ("volume-paths", "volumes/pvc-0/spec/vsphereVolume/volumePath", "disk-0"),
    (
        "volume-paths",
        "volumes/pvc-0/spec/vsphereVolume/volumePath",
        "[/DC0/datastore/ds]kubevols/disk-1",
    ),
    ("volume-paths", "volumes/other", snapshots.csi_volume("other", "fcd-0")),
    ("volume-finalizers", "claims/data-web-0/metadata/finalizers", ["shop.example/own"]),
    (
        "volume-finalizers",
        "volumes/pvc-0/metadata/finalizers",
        ["kubernetes.io/pv-protection", "external-attacher/other-driver"],
    ),
    ("reclaim-policy", "volumes/pvc-0/spec/persistentVolumeReclaimPolicy", "Recycle"),
    ("claims-settled", "claims/data-web-0/spec/resources/requests/storage", "2Gi"),
    ("claims-settled", "claims/data-web-0/status/capacity/storage", "2Gi"),
    ("claims-settled", "claims/data-web-1/status/capacity/storage", "2Gi"),
    ("claims-settled", "claims/data-web-0/status/allocatedResourceStatuses", {"storage": "x"}),
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
        (snapshots.attachment("pvc-0") | {"status": {"detachError": {"message": "m"}}},),
    ),
    ("disks-found", "disks/data-web-0", DiskLook(problem="not there")),
    ("machines-readable", "unreadable_machines", ("node-1",)),
    ("one-vcenter", "vcenters", 2),
    ("certificates", "unverified", ("vCenter's certificate is not verified",)),
    ("certificates", "unverified_servers", ("https://10.0.0.1:6443",)),
    ("permissions", "denied", ("create pods",)),
    ("vcenter-privileges", "missing_privileges", ("Cns.Searchable on Datacenters",)),
    ("dry-runs", "dry_runs", (*healthy().dry_runs, snapshots.refused("no"))),
]


@pytest.mark.parametrize(("check", "path", "value"), MISFITS)
def test_a_misfit_is_named_by_its_check_alone(check: str, path: str, value: Any) -> None:
    snapshot = changed(healthy(), path, value)
    if check == "topology":
        snapshot = changed(snapshot, "csi_nodes/node-1/spec/drivers/0/topologyKeys", [])
    if path.startswith("statefulset/"):
        snapshot = replace(snapshot, dry_runs=echoed(snapshot))

    assert fired(snapshot) == {check}


def test_another_pod_on_a_claim_is_named() -> None:
    job = changed(snapshots.pod(0), "metadata/name", "backup-job")
    job = changed(job, "metadata/labels", {"app": "backup"})
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
        DiskAttachment("node-1", vm_id="vm-1", sharing="sharingMultiWriter"),
        DiskAttachment("node-1", vm_id="vm-1", parent="[ds] kubevols/base.vmdk"),
        DiskAttachment("node-1", vm_id="vm-1", flat=False),
        DiskAttachment("node-1", vm_id="vm-1", disk_mode="independent_nonpersistent"),
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
    (finding,) = told(replace(healthy(), dry_runs=(snapshots.accepted(returned),)))

    assert finding.id == "template-unchanged"
    assert "another template, so every pod would restart" in finding.message


def test_a_spec_that_comes_back_changed_is_named_by_its_fields() -> None:
    returned = changed(snapshots.statefulset(), "spec/replicas", 3)
    returned = changed(returned, "spec/podManagementPolicy", "Parallel")
    (finding,) = told(replace(healthy(), dry_runs=(snapshots.accepted(returned),)))

    assert finding.id == "template-unchanged"
    assert finding.message.endswith("another podManagementPolicy, replicas")


def test_a_set_whose_dry_run_was_refused_is_not_passed_as_unchanged() -> None:
    refusal = DryRun("statefulset/web", accepted=False, message="no")
    found = {f.id: f.severity for f in told(replace(healthy(), dry_runs=(refusal,)))}

    assert found == {"dry-runs": Severity.BLOCKER, "template-unchanged": Severity.NEEDS_ACCEPTANCE}


def test_claim_templates_may_come_back_changed() -> None:
    returned = changed(
        snapshots.statefulset(), "spec/volumeClaimTemplates/0/spec/storageClassName", "standard-rwo"
    )

    assert fired(replace(healthy(), dry_runs=(snapshots.accepted(returned),))) == set()


_CLAIMS = "persistentvolumeclaims"
_OF_CLASS = f"standard-rwo.storageclass.storage.k8s.io/{_CLAIMS}"


@pytest.mark.parametrize(
    ("message", "severity"),
    [
        ('admission webhook "own.shop" denied the request: no', Severity.BLOCKER),
        ('failed calling webhook "own.shop": connection refused', Severity.BLOCKER),
        ('admission webhook "own.shop" does not support dry run', Severity.NEEDS_ACCEPTANCE),
        (
            f"exceeded quota: shop, requested: {_CLAIMS}=1, used: {_CLAIMS}=2, limited: 2",
            Severity.WARNING,
        ),
        (
            f"exceeded quota: shop, requested: {_CLAIMS}=1,{_OF_CLASS}=1, used: {_CLAIMS}=2",
            Severity.BLOCKER,
        ),
        ("insufficient quota to match these scopes: [{PriorityClass In [a]}]", Severity.BLOCKER),
    ],
    ids=["policy", "webhook away", "webhook unasked", "quota", "quota of a class", "quota scope"],
)
def test_a_refusal_weighs_what_it_says_of_the_object_to_come(
    message: str, severity: Severity
) -> None:
    answers = (*healthy().dry_runs, snapshots.refused(message))
    (finding,) = told(replace(healthy(), dry_runs=answers))

    assert (finding.id, finding.severity) == ("dry-runs", severity)
    assert message in finding.message


ALL_WELL: list[tuple[str, Any]] = [
    ("claims/data-web-0/spec/resources/requests/storage", "1024Mi"),
    ("claims/data-web-0/spec/resources/requests/storage", "900M"),
    ("claims/data-web-0/status/capacity/storage", "1073741824"),
    ("claims/data-web-0/status/capacity", None),
    ("statefulset/status/availableReplicas", 2),
    ("statefulset/spec/updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {}}),
    ("autoscalers", (snapshots.autoscaler("Deployment"), snapshots.autoscaler(name="other"))),
    ("volumes/other", snapshots.csi_volume("other", "fcd-9")),
    (
        "volumes/other",
        {
            "metadata": snapshots.metadata("other"),
            "spec": {"csi": {"driver": "other.example", "volumeHandle": "fcd-0"}},
        },
    ),
    (
        "volumes/pvc-0/metadata/finalizers",
        [
            "kubernetes.io/pv-protection",
            "kubernetes.io/pv-controller",
            "external-provisioner.volume.kubernetes.io/finalizer",
            "external-attacher/csi-vsphere-vmware-com",
        ],
    ),
]


@pytest.mark.parametrize(("path", "value"), ALL_WELL)
def test_what_does_no_harm_is_not_named(path: str, value: Any) -> None:
    snapshot = changed(healthy(), path, value)

    assert fired(replace(snapshot, dry_runs=echoed(snapshot))) == set()


def test_a_replica_that_is_ready_too_short_is_not_available() -> None:
    snapshot = changed(healthy(), "statefulset/spec/minReadySeconds", 30)
    snapshot = replace(snapshot, dry_runs=echoed(snapshot))

    assert fired(changed(snapshot, "statefulset/status/availableReplicas", 2)) == set()
    assert fired(changed(snapshot, "statefulset/status/availableReplicas", 1)) == {"replicas-ready"}


def test_with_on_delete_only_the_pods_tell_the_revision() -> None:
    snapshot = changed(healthy(), "statefulset/spec/updateStrategy", {"type": "OnDelete"})
    snapshot = changed(snapshot, "statefulset/status/currentRevision", "web-old")
    snapshot = replace(snapshot, dry_runs=echoed(snapshot))
    behind = changed(snapshot, "pods/0/metadata/labels/controller-revision-hash", "web-old")

    assert fired(snapshot) == {"update-strategy"}
    assert fired(behind) == {"revisions-equal", "update-strategy"}


def test_a_budget_on_labels_that_only_one_live_pod_has_is_seen() -> None:
    budget = changed(snapshots.budget(0), "spec/selector", {"matchLabels": {"role": "primary"}})
    snapshot = replace(healthy(), budgets=(budget,))
    labels = snapshots.LABELS | {"controller-revision-hash": snapshots.REVISION}

    assert fired(snapshot) == set()
    assert fired(changed(snapshot, "pods/1/metadata/labels", labels | {"role": "primary"})) == {
        "disruption-budget",
        "pods-as-template",
    }


def test_a_volume_on_the_recorded_disk_is_named_when_the_catalog_knows_none() -> None:
    snapshot = changed(healthy(), "volumes/other", snapshots.csi_volume("other", "fcd-9"))
    look = replace(snapshots.look(0), disk=None, recorded_id="fcd-9")

    assert "volume-paths" in fired(changed(snapshot, "disks/data-web-0", look))


def test_what_was_not_looked_at_is_not_passed() -> None:
    found = told(replace(healthy(), dry_runs=(), disks={}))

    assert {"dry-runs", "template-unchanged", "disks-found", "disks-plain"} <= {f.id for f in found}
    assert not any(f.known for f in found)
    lighter = {f.id for f in found if f.severity is not Severity.NEEDS_ACCEPTANCE}
    assert lighter == {"disks-kept", "disks-named", "changed-blocks"}


def test_what_needs_acceptance_forbids_until_its_id_is_accepted() -> None:
    snapshot = replace(healthy(), dry_runs=())
    accepted = frozenset({"dry-runs", "template-unchanged", "pods-admitted"})
    request = replace(snapshot.request, accepted=accepted)

    assert {f.id for f in blockers(findings(snapshot))} == accepted
    assert blockers(findings(replace(snapshot, request=request))) == ()


def test_a_blocker_is_not_to_be_accepted() -> None:
    snapshot = changed(healthy(), "pods/0", None)
    request = replace(snapshot.request, accepted=frozenset({"replicas-ready"}))

    assert "replicas-ready" in {
        f.id for f in blockers(findings(replace(snapshot, request=request)))
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_says_what_it_reads_why_and_what_to_do(check: Check) -> None:
    assert all((check.title, check.looks_at, check.why, check.source, check.resolution))


def test_the_page_of_checks_is_the_one_that_the_checks_make() -> None:
    page = Path(__file__).parents[2] / "docs/checks.md"

    assert page.read_text(encoding="utf-8") == checks_markdown(), "run `make docs`"


def test_a_run_long_window_and_a_single_replica_are_warned_of_only() -> None:
    snapshot = changed(healthy(), "statefulset/spec/replicas", 1)
    snapshot = changed(snapshot, "statefulset/status/replicas", 1)
    request = replace(snapshot.request, window=Window.RUN)
    snapshot = replace(snapshot, request=request, dry_runs=echoed(snapshot))

    assert fired(snapshot) == {"single-replica", "window", "leftover-claims", "budgets-apart"}
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


def at_once(snapshot: Snapshot, replicas: int) -> Snapshot:
    return replace(snapshot, request=replace(snapshot.request, max_unavailable=replicas))


def test_several_at_once_need_a_set_whose_replicas_come_up_in_any_order() -> None:
    policy = "statefulset/spec/podManagementPolicy"
    ordered, parallel = (changed(healthy(), policy, each) for each in ("OrderedReady", "Parallel"))

    assert "parallel" in fired(at_once(ordered, 2))
    assert "parallel" in fired(at_once(healthy(), 2))
    assert "parallel" not in fired(at_once(parallel, 2))
    assert "parallel" not in fired(at_once(ordered, 1))


@pytest.mark.parametrize(
    ("allowed", "wanted", "fires"), [(1, 1, False), (1, 2, True), (2, 2, False)]
)
def test_several_at_once_need_a_budget_that_lets_them_go(
    allowed: int, wanted: int, *, fires: bool
) -> None:
    snapshot = replace(healthy(), budgets=(snapshots.budget(allowed),))

    assert ("disruption-budget" in fired(at_once(snapshot, wanted))) is fires
