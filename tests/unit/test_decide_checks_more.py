"""Checks of the surroundings: each passes, names its own misfit, or says that it can't tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import CHECKS, findings
from csi_migration.model.disk import DiskFile
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import (
    DatastoreLook,
    DirectoryLook,
    DiskAttachment,
    DiskLook,
    Machine,
    Snapshot,
)
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

BLOCKER, ACCEPT = Severity.BLOCKER, Severity.NEEDS_ACCEPTANCE
WARNING, NOTE = Severity.WARNING, Severity.NOTE
OF_CLASS = "standard-rwo.storageclass.storage.k8s.io/"
LABELS = "statefulset/metadata/labels"
MARKS = "statefulset/metadata/annotations"
ZONE = "topology.kubernetes.io/zone"


def told(snapshot: Snapshot) -> list[Finding]:
    if snapshot.dry_runs:
        snapshot = replace(snapshot, dry_runs=(snapshots.accepted(snapshot.statefulset),))
    return [f for f in findings(snapshot) if f.severity is not Severity.PASSED]


def replica_set(selector: Any) -> dict[str, Any]:
    return {"metadata": snapshots.metadata("other"), "spec": {"selector": selector}}


def quota(resource: str, hard: str, used: str = "0") -> dict[str, Any]:
    limits = {OF_CLASS + resource: hard}
    status = {"hard": limits, "used": {OF_CLASS + resource: used}}
    return {"metadata": snapshots.metadata("room"), "spec": {"hard": limits}, "status": status}


def snapshot_of(claim: str, *, ready: bool) -> dict[str, Any]:
    spec = {"source": {"persistentVolumeClaimName": claim}}
    return {
        "metadata": snapshots.metadata("s1"),
        "spec": spec,
        "status": {"readyToUse": ready},
    }


def owner(kind: str, group: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "name": "own",
        "uid": "u",
        "controller": True,
    }


def budget(**selector: str) -> dict[str, Any]:
    about: dict[str, Any] = snapshots.budget(1)
    return about | {"spec": {"selector": {"matchLabels": selector}}}


STALE_BUDGET = changed(snapshots.budget(1), "metadata/generation", 2)
OTHER_POD = {
    "metadata": snapshots.metadata("else-0", labels=dict(snapshots.LABELS)),
    "spec": {},
}
ENCRYPTED = replace(
    snapshots.look(0), attachments=(DiskAttachment("node-1", encrypted=True, vm_id="vm-1"),)
)
ELSEWHERE = replace(snapshots.look(0), attachments=(DiskAttachment("node-2", vm_id="vm-2"),))
NAMESAKE = replace(snapshots.look(0), attachments=(DiskAttachment("node-1", vm_id="vm-2"),))
NOWHERE = replace(snapshots.look(0), attachments=())
_DISK = snapshots.look(0).disk
UNKEPT = replace(
    snapshots.look(0), disk=replace(_DISK, keep_after_delete_vm=False) if _DISK else _DISK
)
MOVED = DiskLook(recorded_id="fcd-0", problem="no VMDK", moved_to="[other] vm/web.vmdk")
TRACKED = replace(snapshots.look(0), disk=replace(_DISK, tracks_changes=True) if _DISK else _DISK)


def sized(size: int) -> Any:
    file = snapshots.look(0).file
    assert isinstance(file, DiskFile)
    return replace(snapshots.look(0), file=replace(file, capacity_bytes=size))


def webhook(effects: str, **more: Any) -> dict[str, Any]:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}
    one = {"name": "own.shop", "sideEffects": effects, "rules": [rule]} | more
    body = {"metadata": snapshots.metadata("own"), "webhooks": [one]}
    return {"validatingwebhookconfiguration/own": body}


def on_datastore(**state: Any) -> dict[str, DatastoreLook]:
    return {"datastore-1": DatastoreLook("ds", **state)}


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
    ("webhooks-asked", WARNING, "webhooks", None),
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


def test_a_disk_whose_size_its_file_does_not_tell_is_as_large_as_the_catalog_says() -> None:
    told_by_the_catalog = replace(healthy(), disks={"data-web-0": sized(0)})
    assert told(told_by_the_catalog) == []


def test_a_disk_of_unknown_size_is_neither_passed_nor_refused() -> None:
    look = replace(sized(0), disk=None, recorded_id="")
    (found,) = told(replace(healthy(), disks={"data-web-0": look}))

    assert (found.id, found.known) == ("disks-size", False)
    assert "does not say how large" in found.message


def test_a_holder_that_is_called_like_the_replicas_vm_is_told_by_its_id() -> None:
    (found,) = told(changed(healthy(), "disks/data-web-0", NAMESAKE))
    assert found.message == "VM node-1 (vm-2) holds it, not node-1"


def test_a_working_directory_is_spoken_of_only_if_it_was_given() -> None:
    def spoken_of(snapshot: Snapshot) -> list[Severity]:
        return [f.severity for f in findings(snapshot) if f.id == "working-directory"]

    assert spoken_of(healthy()) == [Severity.PASSED]
    assert spoken_of(replace(healthy(), directory=None)) == []


def ruled(*resources: str, group: str = "*", **more: Any) -> list[dict[str, Any]]:
    about = {"apiGroups": [group], "resources": list(resources), "operations": ["*"]}
    return [about | more]


IN_OTHERS = {"matchExpressions": [{"key": "own.shop/off", "operator": "DoesNotExist"}]}


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({"rules": ruled("*")}, "StatefulSet, Pod, PersistentVolumeClaim, PersistentVolume"),
        ({"rules": ruled("*/*", scope="Cluster")}, "PersistentVolume"),
        ({"rules": ruled("statefulsets", "pods/*", group="apps")}, "StatefulSet"),
        ({"rules": ruled("pods/exec", "deployments")}, ""),
        ({"rules": ruled("pods", operations=["CONNECT"])}, ""),
        ({"rules": ruled("*"), "namespaceSelector": IN_OTHERS}, "PersistentVolume"),
        ({"rules": ruled("pods"), "objectSelector": {"matchLabels": {"app": "else"}}}, ""),
        ({"rules": ruled("pods"), "objectSelector": {"matchLabels": snapshots.LABELS}}, "Pod"),
    ],
)
def test_a_webhook_with_side_effects_is_unknown_for_the_kinds_that_it_sees(
    more: dict[str, Any], kinds: str
) -> None:
    labelled = changed(healthy(), "namespace/metadata/labels", {"own.shop/off": "true"})
    found = told(replace(labelled, webhooks=webhook("Some", **more)))

    assert [f.known for f in found] == ([False] if kinds else [])
    assert all(f.message.endswith(f"of each {kinds} is not known") for f in found)


@pytest.mark.parametrize("effects", ["None", "NoneOnDryRun"])
def test_a_webhook_without_side_effects_is_asked_by_the_dry_runs(effects: str) -> None:
    assert told(replace(healthy(), webhooks=webhook(effects))) == []


def test_a_moved_disk_is_told_with_where_it_lies_and_not_as_missing() -> None:
    (found,) = told(changed(healthy(), "disks/data-web-0", MOVED))
    assert "fcd-0 lies at [other] vm/web.vmdk now" in found.message


def test_a_datastore_cluster_that_cannot_be_seen_is_unknown() -> None:
    (found,) = told(replace(healthy(), datastores=on_datastore(is_pod_seen=False)))
    assert (found.id, found.known) == ("storage-drs", False)


def test_without_a_look_at_the_datastores_their_checks_cannot_tell() -> None:
    found = told(replace(healthy(), datastores={}))
    assert {(f.id, f.severity, f.known) for f in found} == {
        ("datastores-usable", ACCEPT, False),
        ("storage-drs", WARNING, False),
    }


def test_a_vm_that_tracks_changed_blocks_beside_one_that_does_not_is_warned_of() -> None:
    tracking = Machine("node-1", "vmx-19", id="vm-1", tracks_changes=True)
    snapshot = replace(
        healthy(), machines={"node-1": tracking, "node-2": Machine("node-2", "vmx-19", id="vm-2")}
    )
    (found,) = told(snapshot)

    assert (found.id, found.severity, found.subject) == ("changed-blocks", WARNING, "vm/node-1")
    assert "VM node-2 does not" in found.message


def test_changed_blocks_that_every_vm_and_disk_tracks_are_no_matter() -> None:
    tracking = Machine("node-1", "vmx-19", id="vm-1", tracks_changes=True)
    snapshot = changed(healthy(), "disks/data-web-0", TRACKED)
    assert told(replace(snapshot, machines={"node-1": tracking})) == []


def test_a_vm_that_was_renamed_between_two_looks_is_still_the_replicas_own() -> None:
    renamed = replace(snapshots.look(0), attachments=(DiskAttachment("node-1b", vm_id="vm-1"),))
    assert told(changed(healthy(), "disks/data-web-0", renamed)) == []


def test_a_cordoned_node_is_warned_of_while_another_one_takes_pods() -> None:
    snapshot = changed(healthy(), "nodes/node-1/spec/unschedulable", True)
    other = snapshot.nodes | {"node-2": snapshots.node("node-2")} if snapshot.nodes else {}
    csi_nodes = snapshot.csi_nodes | {"node-2": snapshots.csi_node("node-2")}

    assert {f.id for f in told(snapshot)} == {"nodes-staying", "volume-reach"}
    with_another = replace(snapshot, nodes=other, csi_nodes=csi_nodes)
    assert {f.id for f in told(with_another)} == {"nodes-staying"}


def test_without_the_right_to_list_nodes_their_checks_cannot_tell() -> None:
    found = told(replace(healthy(), nodes=None))

    assert {(f.id, f.severity, f.known) for f in found} == {
        ("volume-reach", ACCEPT, False),
        ("nodes-ready", ACCEPT, False),
    }


FLUX_MARKS = [
    ("kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/reconcile"),
    ("helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/driftDetection"),
]


@pytest.mark.parametrize(("mark", "pausing"), FLUX_MARKS)
def test_a_paused_flux_is_a_warning_to_pause_it_at_the_source_and_not_to_suspend_it(
    mark: str, pausing: str
) -> None:
    (found,) = told(changed(healthy(), LABELS, {mark: "x", pausing: "disabled"}))

    assert (found.id, found.severity) == ("gitops", WARNING)
    assert "the manifest at the source has it, too" in found.resolution
    line = "volumeClaimTemplates[data].spec.storageClassName: standard -> standard-rwo"
    assert line in found.resolution
    assert "uspend" not in found.resolution


@pytest.mark.parametrize(
    ("mark", "pausing"),
    [(FLUX_MARKS[0][0], FLUX_MARKS[1][1]), (FLUX_MARKS[1][0], FLUX_MARKS[0][1])],
)
def test_a_mark_for_the_other_controller_of_flux_pauses_nothing(mark: str, pausing: str) -> None:
    (found,) = told(changed(healthy(), LABELS, {mark: "x", pausing: "disabled"}))

    assert (found.id, found.severity) == ("gitops", ACCEPT)
    assert "uspend" in found.resolution


def test_the_label_of_a_set_that_helm_installed_is_no_hint_at_argo_cd() -> None:
    labelled = changed(healthy(), LABELS, {"app.kubernetes.io/instance": "shop"})
    of_helm = changed(labelled, MARKS, {"meta.helm.sh/release-name": "shop"})

    assert [(f.id, f.severity) for f in told(labelled)] == [("gitops", NOTE)]
    assert [f.id for f in told(of_helm)] == ["helm"]


def test_argo_cds_own_mark_says_it_once_beside_its_label() -> None:
    labelled = changed(healthy(), LABELS, {"app.kubernetes.io/instance": "shop"})
    tracked = changed(labelled, MARKS, {"argocd.argoproj.io/tracking-id": "shop:web"})

    assert [(f.id, f.severity) for f in told(tracked)] == [("gitops", ACCEPT)]


def test_a_claim_left_over_that_is_on_the_csi_class_already_fits_a_later_scale_up() -> None:
    left = changed(snapshots.claim(7), "spec/storageClassName", "standard-rwo")
    claims = healthy().namespace_claims | {"data-web-7": left}
    assert told(replace(healthy(), namespace_claims=claims)) == []


@pytest.mark.parametrize(
    "room", [quota("persistentvolumeclaims", "2"), quota("requests.storage", "2Gi")]
)
def test_a_quota_with_just_enough_room_passes(room: dict[str, Any]) -> None:
    assert told(replace(healthy(), quotas=(room,))) == []


def test_a_label_with_another_value_than_the_templates_is_told_with_both() -> None:
    template = changed(
        healthy(), f"revisions/{snapshots.REVISION}/data/spec/template/metadata/labels/role", "none"
    )
    labels = template.pods[0]["metadata"]["labels"]
    found = told(changed(template, "pods/0/metadata/labels", labels | {"role": "primary"}))
    assert [(f.id, f.severity) for f in found] == [("pods-as-template", NOTE)]
    assert found[0].message == "it was given other things: label role=primary, not none"


def test_a_finished_snapshot_is_said_to_depend_on_the_disk() -> None:
    (found,) = told(replace(healthy(), volume_snapshots=(snapshot_of("data-web-0", ready=True),)))
    assert "depends on that disk" in found.message
    assert "delete the snapshot" in found.resolution


def test_claims_for_many_nodes_are_blocked_though_their_template_is_alike() -> None:
    shared = ["ReadWriteMany"]
    at = "statefulset/spec/volumeClaimTemplates/0/spec/accessModes"
    snapshot = changed(changed(healthy(), "claims/data-web-0/spec/accessModes", shared), at, shared)
    found = told(changed(snapshot, "claims/data-web-1/spec/accessModes", shared))
    assert [(f.id, f.severity) for f in found] == [("access-modes", BLOCKER)] * 2


def test_a_claim_says_how_it_is_unlike_its_template_and_one_of_the_same_size_says_nothing() -> None:
    at = "statefulset/spec/volumeClaimTemplates/0/spec/resources"
    same = changed(healthy(), at, {"requests": {"storage": "1024Mi"}})
    grown = changed(healthy(), at, {"requests": {"storage": "512Mi"}})

    assert told(same) == []
    assert told(grown)[0].message == "unlike its template: it asks for 1Gi, not 512Mi"


def test_a_quota_of_another_class_that_is_not_counted_yet_is_none_of_ours() -> None:
    other = {"hard": {"fast.storageclass.storage.k8s.io/requests.storage": "1Gi"}}
    room = {"metadata": snapshots.metadata("room"), "spec": other, "status": {}}
    assert told(replace(healthy(), quotas=(room,))) == []


def test_an_overlap_is_seen_beside_a_kind_of_controller_that_cannot_be() -> None:
    overlap = {"replicaset/other": replica_set({"matchLabels": snapshots.LABELS})}
    found = told(replace(healthy(), controllers=overlap, unseen_controllers=("jobs.batch",)))

    assert {(f.id, f.subject, f.severity) for f in found} == {
        ("selector-overlap", "replicaset/other", BLOCKER),
        ("selector-overlap", "statefulset/web", ACCEPT),
    }
    assert "Grant list jobs.batch." in {f.resolution for f in found}


@pytest.mark.parametrize(
    ("group", "kind", "pause"),
    [
        ("postgres-operator.crunchydata.com", "PostgresCluster", "spec.paused: true"),
        ("acid.zalan.do", "postgresql", "scale its operator's Deployment to 0"),
        ("upstream.pgv2.percona.com", "PostgresCluster", "scale its operator's Deployment to 0"),
        ("monitoring.coreos.com", "Prometheus", "spec.paused: true"),
        ("rabbitmq.com", "RabbitmqCluster", 'rabbitmq.com/pauseReconciliation: "true"'),
        ("kafka.strimzi.io", "Kafka", 'strimzi.io/pause-reconciliation: "true"'),
        ("elasticsearch.k8s.elastic.co", "Elasticsearch", 'eck.k8s.elastic.co/managed: "false"'),
    ],
)
def test_an_owner_comes_with_its_own_operators_pause(group: str, kind: str, pause: str) -> None:
    owners = [owner(kind, group)]
    (found,) = told(changed(healthy(), "statefulset/metadata/ownerReferences", owners))

    assert (found.id, found.severity) == ("set-owner", BLOCKER)
    assert pause in found.resolution


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
        "nodes-staying",
        "machines-found",
    }
    assert {check.id for check in CHECKS} == named | elsewhere
