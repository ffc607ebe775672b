"""Each misfit of the surroundings is named by its own check, and weighs what it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import CHECKS
from csi_migration.model.finding import Severity
from csi_migration.model.snapshot import (
    DirectoryLook,
    DiskLook,
    Machine,
)
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy
from tests.unit.surroundings import (
    ACCEPT,
    BLOCKER,
    ELSEWHERE,
    ENCRYPTED,
    LABELS,
    LIKE_AN_ORPHAN,
    MARKS,
    MOVED,
    NAMESAKE,
    NOTE,
    NOWHERE,
    OTHER_POD,
    STALE_BUDGET,
    TRACKED,
    UNKEPT,
    WARNING,
    ZONE,
    budget,
    features,
    on_datastore,
    owner,
    quota,
    replica_set,
    sized,
    snapshot_of,
    told,
    webhook,
)

MISFITS: list[tuple[str, Severity, str, Any]] = [
    ("server-supported", WARNING, "server_version", "v1.27.3"),
    (
        "update-strategy",
        NOTE,
        "statefulset/spec/updateStrategy",
        {"rollingUpdate": {"partition": 2}},
    ),
    ("selector-overlap", BLOCKER, "controllers/replicaset/other", replica_set({"matchLabels": {}})),
    (
        "selector-overlap",
        BLOCKER,
        "controllers/replicationcontroller/other",
        replica_set({"app": "web"}),
    ),
    ("selector-overlap", ACCEPT, "unseen_controllers", ("jobs.batch",)),
    ("pod-owners", BLOCKER, "pods/0/metadata/ownerReferences", []),
    ("pod-finalizers", BLOCKER, "pods/0/metadata/finalizers", ["shop.example/own"]),
    ("grace-period", NOTE, "pods/0/spec/terminationGracePeriodSeconds", 3600),
    ("pods-as-template", NOTE, "pods/0/spec/containers", [{"name": "db"}, {"name": "proxy"}]),
    ("pods-as-template", NOTE, "pods/0/spec/ephemeralContainers", [{"name": "debugger"}]),
    (
        "set-owner",
        BLOCKER,
        "statefulset/metadata/ownerReferences",
        [owner("Kafka", "kafka.strimzi.io")],
    ),
    ("operator", ACCEPT, LABELS, {"app.kubernetes.io/managed-by": "rabbitmq-cluster-operator"}),
    ("gitops", ACCEPT, MARKS, {"argocd.argoproj.io/tracking-id": "x"}),
    ("gitops", ACCEPT, LABELS, {"kustomize.toolkit.fluxcd.io/name": "x"}),
    ("gitops", WARNING, LABELS, {"kapp.k14s.io/app": "1700000000000000000"}),
    ("helm", WARNING, MARKS, {"meta.helm.sh/release-name": "db"}),
    ("namespace-stays", BLOCKER, "namespace/metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
    ("disruption-budget", ACCEPT, "budgets", (STALE_BUDGET,)),
    ("budgets-apart", WARNING, "budgets", (budget(app="web"), budget(app="web"))),
    ("budgets-apart", WARNING, "namespace_pods", (*healthy().namespace_pods, OTHER_POD)),
    ("unfinished-migration", BLOCKER, "unfinished", ("another run is at work",)),
    (
        "template-classes",
        WARNING,
        "statefulset/spec/volumeClaimTemplates/0/spec/storageClassName",
        "fast",
    ),
    ("volume-phase", BLOCKER, "volumes/pvc-0/status/phase", "Failed"),
    ("volume-phase", BLOCKER, "volumes/pvc-0/status/phase", "Released"),
    (
        "template-fits",
        NOTE,
        "statefulset/spec/volumeClaimTemplates/0/spec/resources",
        {"requests": {"storage": "512Mi"}},
    ),
    ("template-fits", NOTE, "claims/data-web-0/spec/accessModes", ["ReadWriteOncePod"]),
    ("template-fits", NOTE, "claims/data-web-0/spec/volumeMode", "Block"),
    ("access-modes", BLOCKER, "volumes/pvc-0/spec/accessModes", ["ReadOnlyMany"]),
    ("claim-sources", NOTE, "claims/data-web-0/spec/dataSource", {"kind": "VolumeSnapshot"}),
    ("claim-selectors", NOTE, "claims/data-web-0/spec/selector", {"matchLabels": {"a": "b"}}),
    ("beta-class", NOTE, "volumes/pvc-0/metadata/annotations", {snapshots.BETA_CLASS: "standard"}),
    (
        "beta-class",
        NOTE,
        "statefulset/spec/volumeClaimTemplates/0/metadata/annotations",
        {snapshots.BETA_CLASS: "standard"},
    ),
    ("claim-owners", WARNING, "claims/data-web-0/metadata/ownerReferences", [owner("Tenant", "a")]),
    ("leftover-claims", NOTE, "namespace_claims/data-web-7", snapshots.claim(7)),
    ("volume-snapshots", BLOCKER, "volume_snapshots", (snapshot_of("data-web-0", ready=False),)),
    ("volume-snapshots", NOTE, "volume_snapshots", (snapshot_of("data-web-0", ready=True),)),
    ("volume-snapshots", ACCEPT, "volume_snapshots", None),
    ("class-quota", BLOCKER, "quotas", (quota("persistentvolumeclaims", "1"),)),
    ("class-quota", BLOCKER, "quotas", (quota("requests.storage", "3Gi", "1536Mi"),)),
    ("class-quota", ACCEPT, "quotas", None),
    ("class-quota", ACCEPT, "quotas", (quota("requests.storage", "9Gi") | {"status": {}},)),
    ("file-systems", WARNING, "volumes/pvc-0/spec/vsphereVolume/fsType", "ntfs"),
    ("mount-options", NOTE, "volumes/pvc-0/spec/mountOptions", ["noatime"]),
    ("class-expansion", NOTE, "classes/standard-rwo/allowVolumeExpansion", None),
    ("volume-reach", BLOCKER, "nodes/node-1/metadata/name", "node-1"),
    ("driver-everywhere", WARNING, "nodes/node-2", snapshots.node("node-2")),
    ("csi-driver", BLOCKER, "csi_drivers", {}),
    ("csi-driver", ACCEPT, "csi_drivers", None),
    ("driver-lets-go", ACCEPT, "driver_features", None),
    ("driver-lets-go", BLOCKER, "driver_features", features("true")),
    ("driver-lets-go", BLOCKER, "driver_features", features("1")),
    ("nodes-ready", BLOCKER, "nodes/node-1/status/conditions", []),
    (
        "nodes-staying",
        WARNING,
        "nodes/node-1/spec/taints",
        [{"key": "DeletionCandidateOfClusterAutoscaler", "effect": "PreferNoSchedule"}],
    ),
    ("attach-limit", WARNING, "csi_nodes/node-1/spec/drivers/0/allocatable", {"count": 2}),
    ("attachments-here", BLOCKER, "attachments", (snapshots.attachment("pvc-0", "node-2"),)),
    ("machine-hardware", WARNING, "machines", {"node-1": Machine("node-1", "vmx-13", id="vm-1")}),
    (
        "machine-disk-uuid",
        WARNING,
        "machines",
        {"node-1": Machine("node-1", "vmx-19", False, "vm-1")},
    ),
    (
        "machine-snapshots",
        ACCEPT,
        "machines",
        {"node-1": Machine("node-1", "vmx-19", id="vm-1", has_snapshot=True)},
    ),
    ("pod-claims", BLOCKER, "pods/0/spec/volumes/0/name", "store"),
    ("pod-claims", BLOCKER, "pods/0/spec/volumes/0", {"name": "data", "emptyDir": {}}),
    ("pods-settled", BLOCKER, "pods/0/status/resize", "InProgress"),
    (
        "stale-annotations",
        NOTE,
        "claims/data-web-0/metadata/annotations",
        {"volume.kubernetes.io/selected-node": "node-gone"},
    ),
    (
        "stale-annotations",
        NOTE,
        "claims/data-web-0/metadata/annotations",
        {"volume.kubernetes.io/storage-provisioner": "other.example"},
    ),
    ("working-directory", BLOCKER, "directory", DirectoryLook("work", "no room", "Free some.")),
    ("webhooks-asked", ACCEPT, "webhooks", webhook("Some")),
    ("webhooks-asked", ACCEPT, "webhooks", webhook("Unknown")),
    ("webhooks-asked", ACCEPT, "webhooks", None),
    ("disks-size", BLOCKER, "disks/data-web-0", sized(1 << 20)),
    ("disks-size", NOTE, "disks/data-web-0", sized(1 << 40)),
    ("disks-size", ACCEPT, "disks/data-web-0", replace(sized(0), disk=None, recorded_id="")),
    ("datastores-usable", BLOCKER, "datastores", on_datastore(maintenance="inMaintenance")),
    ("datastores-usable", BLOCKER, "datastores", on_datastore(is_accessible=False)),
    ("storage-drs", WARNING, "datastores", on_datastore(pod="fast", is_automated=True)),
    ("storage-drs", WARNING, "datastores", on_datastore(is_pod_seen=False)),
    ("disks-found", ACCEPT, "disks/data-web-0", DiskLook()),
    ("disks-moved", BLOCKER, "disks/data-web-0", MOVED),
    ("changed-blocks", WARNING, "disks/data-web-0", TRACKED),
    ("disks-encrypted", ACCEPT, "disks/data-web-0", ENCRYPTED),
    ("disks-kept", NOTE, "disks/data-web-0", UNKEPT),
    ("disks-named", WARNING, "disks/data-web-0", LIKE_AN_ORPHAN),
    ("disks-held-here", BLOCKER, "disks/data-web-0", ELSEWHERE),
    ("disks-held-here", BLOCKER, "disks/data-web-0", NAMESAKE),
    ("disks-held-here", BLOCKER, "disks/data-web-0", NOWHERE),
    ("vcenter-version", BLOCKER, "vcenter_version", "6.7.1"),
    ("vcenter-version", WARNING, "vcenter_version", "7.0.0.0"),
]


@pytest.mark.parametrize(("check", "severity", "path", "value"), MISFITS)
def test_a_misfit_is_named_by_its_check_alone_and_weighs_what_it_should(
    check: str, severity: Severity, path: str, value: Any
) -> None:
    first, _, rest = path.partition("/")
    in_a_map = first in ("controllers", "namespace_claims", "nodes") and rest.count("/") < 2
    if in_a_map and rest and not isinstance(value, str):
        snapshot = replace(healthy(), **{first: getattr(healthy(), first) | {rest: value}})
    else:
        snapshot = (
            replace(healthy(), **{first: value}) if not rest else changed(healthy(), path, value)
        )
    if check == "volume-reach":
        snapshot = changed(snapshot, "volumes/pvc-0/metadata/labels", {ZONE: "b"})

    found = told(snapshot)
    assert {f.id for f in found} == {check}
    assert {f.severity for f in found} == {severity}
    assert all(f.resolution for f in found)


@pytest.mark.parametrize("state", ["false", "0", "", "yes"])
def test_a_driver_whose_feature_is_not_on_lets_go(state: str) -> None:
    assert told(replace(healthy(), driver_features=features(state))) == []


def test_a_driver_without_the_feature_lets_go() -> None:
    bare = {"vmware-system-csi": {"metadata": snapshots.metadata("states")}}
    assert told(replace(healthy(), driver_features=bare)) == []


def test_every_check_has_a_misfit_here_or_beside() -> None:
    from tests.unit import test_decide_checks as beside

    named = {misfit[0] for misfit in MISFITS} | {misfit[0] for misfit in beside.MISFITS}
    elsewhere = {
        "single-replica",
        "window",
        "parallel",
        "claims-unshared",
        "disks-plain",
        "disks-catalog",
        "template-unchanged",
        "pods-admitted",
        "nodes-staying",
        "machines-found",
    }
    assert {check.id for check in CHECKS} == named | elsewhere
