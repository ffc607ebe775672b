"""Checks of the surroundings: each passes, names its own misfit, or says that it can't tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import findings
from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.model.finding import Severity
from csi_migration.model.snapshot import (
    DiskAttachment,
    Machine,
    Snapshot,
)
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy
from tests.unit.surroundings import (
    ACCEPT,
    BLOCKER,
    LABELS,
    MARKS,
    MOVED,
    NAMESAKE,
    NOTE,
    TRACKED,
    WARNING,
    on_datastore,
    owner,
    quota,
    replica_set,
    sized,
    snapshot_of,
    told,
    webhook,
)


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


def test_a_volume_that_names_the_disk_by_its_folders_uuid_is_another_user() -> None:
    look = snapshots.look(0)
    assert isinstance(look.file, DiskFile)
    found_at = replace(look.file, path=DiskPath(look.file.path.datastore, "5f3c-uuid/web.vmdk"))
    other = changed(snapshots.volume(7), "spec/vsphereVolume/volumePath", str(found_at.path))
    snapshot = changed(healthy(), "volumes/pvc-7", other)
    found = told(changed(snapshot, "disks/data-web-0", replace(look, file=found_at)))

    assert [f.id for f in found if "pv/pvc-7" in f.message] == ["volume-paths"]
