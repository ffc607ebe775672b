"""The objects to come keep what people put there and drop what servers put there."""

from __future__ import annotations

import json

import pytest

from csi_migration.decide.last_applied import LAST_APPLIED
from csi_migration.decide.manifests import (
    claim_changes,
    new_claim,
    new_pod,
    new_statefulset,
    new_volume,
    new_volume_name,
    recreated,
    restored_claim,
    restored_volume,
    with_claim_templates,
    with_handle,
)
from csi_migration.decide.topology import UnknownTopology, csi_node_affinity
from tests.unit import snapshots
from tests.unit.snapshots import changed

KEYS = {"topology.csi.vmware.com/zone", "topology.csi.vmware.com/region"}


def csi_volume(old: snapshots.Raw | None = None) -> snapshots.Raw:
    return new_volume(old or snapshots.volume(0), snapshots.claim(0), "standard-rwo", KEYS)


def test_the_csi_volume_waits_for_its_claim_and_is_retained() -> None:
    spec = with_handle(csi_volume(), "fcd-0")["spec"]

    assert spec["claimRef"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "shop",
        "name": "data-web-0",
    }
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["csi"] == {
        "driver": "csi.vsphere.vmware.com",
        "volumeHandle": "fcd-0",
        "fsType": "ext4",
        "volumeAttributes": {"type": "vSphere CNS Block Volume"},
    }
    assert "vsphereVolume" not in spec


def test_the_csi_volume_has_a_name_of_its_own_within_the_limit() -> None:
    assert csi_volume()["metadata"]["name"] == "pvc-0-csi"
    longest = changed(snapshots.volume(0), "metadata/name", "v" * 253)
    assert len(new_volume_name(longest)) == 253
    assert new_volume_name(longest).endswith("-csi")


def test_the_csi_volume_keeps_the_file_system_and_the_mount_options() -> None:
    old = changed(snapshots.volume(0), "spec/vsphereVolume/fsType", "xfs")
    old = changed(old, "spec/mountOptions", ["noatime"])

    spec = csi_volume(old)["spec"]
    assert spec["csi"]["fsType"] == "xfs"
    assert spec["mountOptions"] == ["noatime"]


def test_the_new_claim_is_bound_by_name_and_forgets_the_old_binding() -> None:
    claim = new_claim(snapshots.claim(0), "pvc-0-csi", "standard-rwo")

    assert claim["spec"]["volumeName"] == "pvc-0-csi"
    assert claim["spec"]["storageClassName"] == "standard-rwo"
    assert claim["metadata"]["annotations"] == {"note": "kept"}
    assert claim["metadata"]["labels"] == snapshots.LABELS
    assert not {"uid", "finalizers", "resourceVersion"} & set(claim["metadata"])
    assert "status" not in claim


def test_the_beta_class_annotation_does_not_survive() -> None:
    beta = "volume.beta.kubernetes.io/storage-class"
    old = changed(snapshots.claim(0), "metadata/annotations", {beta: "standard"})

    assert new_claim(old, "v", "standard-rwo")["metadata"]["annotations"] == {}


def test_the_new_set_differs_in_the_class_of_its_templates_only() -> None:
    old, new = snapshots.statefulset(), new_statefulset(snapshots.statefulset(), "standard-rwo")

    template = new["spec"].pop("volumeClaimTemplates")[0]
    was = old["spec"].pop("volumeClaimTemplates")[0]
    assert template["spec"].pop("storageClassName") == "standard-rwo"
    assert was["spec"].pop("storageClassName") == "standard"
    assert template["spec"] == was["spec"]
    assert new["spec"] == old["spec"]
    assert new["metadata"] == {"name": "web", "namespace": "shop", "labels": {"owner": "shop"}}


def test_unknown_fields_survive_everywhere() -> None:
    old = changed(snapshots.statefulset(), "spec/fieldOfTheFuture", {"a": [1]})

    assert new_statefulset(old, "c")["spec"]["fieldOfTheFuture"] == {"a": [1]}
    claim = changed(snapshots.claim(0), "spec/fieldOfTheFuture", 1)
    assert new_claim(claim, "v", "c")["spec"]["fieldOfTheFuture"] == 1


def test_deletion_finalizers_go_and_others_stay() -> None:
    old = changed(snapshots.statefulset(), "metadata/finalizers", ["orphan", "shop.example/own"])

    assert recreated(old)["metadata"]["finalizers"] == ["shop.example/own"]


def test_the_pod_is_made_from_its_revision_as_the_controller_would() -> None:
    pod = new_pod(snapshots.statefulset(), snapshots.revision(), snapshots.pod(1), 1)

    assert pod["metadata"]["labels"] == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-1",
        "controller-revision-hash": snapshots.REVISION,
        "apps.kubernetes.io/pod-index": "1",
    }
    assert pod["metadata"]["annotations"] == {"team": "shop"}
    assert "ownerReferences" not in pod["metadata"]
    assert "nodeName" not in pod["spec"]
    assert pod["spec"]["hostname"] == "web-1"
    assert pod["spec"]["subdomain"] == "web"
    assert pod["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}},
        {"name": "config", "configMap": {"name": "web"}},
    ]


def test_a_restored_volume_is_retained_and_refers_to_its_claim_without_uid() -> None:
    volume = restored_volume(snapshots.volume(0))

    assert volume["kind"] == "PersistentVolume"
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert "uid" not in volume["spec"]["claimRef"]
    assert volume["spec"]["vsphereVolume"] == snapshots.volume(0)["spec"]["vsphereVolume"]
    assert "finalizers" not in volume["metadata"]


def test_a_restored_claim_is_bound_to_its_old_volume_by_name() -> None:
    claim = restored_claim(snapshots.claim(0))

    assert claim["spec"] == snapshots.claim(0)["spec"]
    assert "pv.kubernetes.io/bind-completed" not in claim["metadata"]["annotations"]


def affinity(key: str) -> snapshots.Raw:
    expression = {"key": key, "operator": "In", "values": ["a"]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


@pytest.mark.parametrize(
    "key", ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]
)
def test_zones_are_translated_to_the_drivers_keys(key: str) -> None:
    volume = changed(snapshots.volume(0), "spec/nodeAffinity", affinity(key))

    assert csi_node_affinity(volume, KEYS) == affinity("topology.csi.vmware.com/zone")


def test_the_drivers_category_names_are_used_where_it_has_them() -> None:
    volume = changed(
        snapshots.volume(0), "spec/nodeAffinity", affinity("topology.kubernetes.io/zone")
    )

    keys = {"topology.csi.vmware.com/k8s-zone"}
    assert csi_node_affinity(volume, keys) == affinity("topology.csi.vmware.com/k8s-zone")


def test_zone_labels_become_an_affinity_and_go() -> None:
    labels = {"topology.kubernetes.io/zone": "a", "team": "shop"}
    volume = csi_volume(changed(snapshots.volume(0), "metadata/labels", labels))

    assert volume["spec"]["nodeAffinity"] == affinity("topology.csi.vmware.com/zone")
    assert volume["metadata"]["labels"] == {"team": "shop"}


def test_a_zone_that_the_driver_does_not_know_is_refused() -> None:
    volume = changed(
        snapshots.volume(0), "spec/nodeAffinity", affinity("topology.kubernetes.io/zone")
    )

    with pytest.raises(UnknownTopology, match="pvc-0"):
        csi_node_affinity(volume, set())


def test_what_a_claim_became_since_its_backup_is_told() -> None:
    claim = snapshots.claim(0)
    for to_come in (new_claim(claim, "pvc-0-csi", "standard-rwo"), restored_claim(claim)):
        assert claim_changes(claim, to_come) == ()
        annotations = claim["metadata"]["annotations"] | {"pv.kubernetes.io/bind-completed": "yes"}
        bound = changed(claim, "metadata/annotations", annotations)
        assert claim_changes(bound, to_come) == ()
        labelled = changed(claim, "metadata/labels", {"team": "orders"})
        assert claim_changes(labelled, to_come) == ("labels",)
        larger = changed(claim, "spec/resources", {"requests": {"storage": "50Gi"}})
        assert claim_changes(larger, to_come) == ("storage 50Gi, then 1Gi",)


@pytest.mark.parametrize("said", [None, ""])
def test_a_claim_without_a_class_comes_back_without_one(said: str | None) -> None:
    claim = restored_claim(changed(snapshots.claim(0), "spec/storageClassName", said))

    assert claim["spec"]["storageClassName"] == ""


@pytest.mark.parametrize("said", [None, "", "fast"])
def test_what_kubectl_applied_says_of_a_class_goes_and_comes_back_with_the_templates(
    said: str | None,
) -> None:
    path = "spec/volumeClaimTemplates/0/spec/storageClassName"
    plain = recreated(changed(snapshots.statefulset(), path, said))
    record = json.dumps(plain, sort_keys=True, separators=(",", ":")) + "\n"
    applied = changed(plain, "metadata/annotations", {LAST_APPLIED: record})
    moved = new_statefulset(applied, "standard-rwo")
    back = with_claim_templates(moved, applied)

    assert '"storageClassName":"standard-rwo"' in moved["metadata"]["annotations"][LAST_APPLIED]
    assert back["metadata"]["annotations"] == {LAST_APPLIED: record}
    assert back["spec"] == plain["spec"] | {
        "volumeClaimTemplates": back["spec"]["volumeClaimTemplates"]
    }


def test_a_topology_key_of_the_sites_own_category_stands_for_the_zone() -> None:
    volume = changed(
        snapshots.volume(0), "spec/nodeAffinity", affinity("topology.kubernetes.io/zone")
    )
    own = "topology.csi.vmware.com/openshift-zone"
    assert csi_node_affinity(volume, {own, "topology.csi.vmware.com/x"}) == affinity(own)
    with pytest.raises(UnknownTopology):
        csi_node_affinity(volume, {own, "topology.csi.vmware.com/other-zone"})


def test_the_old_annotation_of_mount_options_becomes_mount_options() -> None:
    annotations = {"volume.beta.kubernetes.io/mount-options": "noatime,discard", "own": "1"}
    old = changed(snapshots.volume(0), "metadata/annotations", annotations)
    volume = new_volume(old, snapshots.claim(0), "standard-rwo", ())

    assert volume["spec"]["mountOptions"] == ["noatime", "discard"]
    assert "volume.beta.kubernetes.io/mount-options" not in volume["metadata"]["annotations"]
    assert volume["metadata"]["annotations"]["own"] == "1"
