"""The driver's volumes in the lab, against what driver 3.7.3 was seen to do with them."""

from pathlib import Path

import pytest

from lab import manifests
from lab.manifests import Workload
from lab.waiting import until
from tests.lab.scene import CLAIM, Scene

PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"


def test_an_intree_volume_is_registered_once_its_claim_is_bound(scene: Scene) -> None:
    path = scene.disk()
    volume = scene.intree_volume(path)
    until("the volume Available", lambda: scene.phase(volume) == "Available")
    assert scene.migration(path) is None
    scene.claim(volume)
    until("the migration object", lambda: scene.migration(path) is not None)
    disk_id = scene.migration_id(path)
    found = scene.cluster.get("CnsVSphereVolumeMigration", disk_id)
    assert found["spec"] == {
        "volumeid": disk_id,
        "volumepath": path,
        "protectvolumefromvmdelete": True,
    }
    assert scene.registered(disk_id)
    assert scene.path_of(disk_id) == path


def test_a_volume_without_provisioned_by_is_not_marked_as_migrated_yet_works(scene: Scene) -> None:
    path = scene.disk()
    volume = scene.intree_volume(path, annotations={})
    scene.claim(volume)
    scene.running_pod("writer")
    assert scene.migration(path) is not None
    annotations = scene.cluster.get("PersistentVolume", volume)["metadata"].get("annotations", {})
    assert "pv.kubernetes.io/migrated-to" not in annotations


def test_a_volumes_attachment_comes_and_goes_with_its_pod(scene: Scene) -> None:
    old = scene.old()
    assert scene.attachments(old.volume) == []
    scene.running_pod("writer")
    assert scene.attached(old.volume)
    assert scene.writers(old.path) == [old.volume]
    scene.delete("Pod", "writer")
    until("no attachment", lambda: not scene.attachments(old.volume))
    assert scene.registered(old.disk_id)


def test_a_deleted_claim_leaves_its_volume_registered(scene: Scene) -> None:
    old = scene.old()
    scene.delete("PersistentVolumeClaim", CLAIM)
    until("the volume Released", lambda: scene.phase(old.volume) == "Released")
    assert scene.registered(old.disk_id)
    assert scene.migration(old.path) is not None


def test_a_deleted_volume_leaves_cns_but_not_the_datastore(scene: Scene) -> None:
    old = scene.old()
    scene.delete_old(old.volume)
    until("the migration object gone", lambda: scene.migration(old.path) is None)
    assert not scene.registered(old.disk_id)
    (call,) = scene.calls("CnsDeleteVolume", old.disk_id)
    assert call["summary"]["deleteDisk"] is False
    assert scene.path_of(old.disk_id) == old.path
    assert scene.bytes_of(old.path).exists()


def test_a_static_volume_is_registered_before_any_claim_and_attaches(scene: Scene) -> None:
    old = scene.old()
    scene.running_pod("writer")
    scene.delete_pod("writer", old.volume)
    scene.delete_old(old.volume)
    until("CNS has let go", lambda: not scene.registered(old.disk_id))
    volume = scene.csi_volume(old.disk_id)
    until("the registration", lambda: scene.registered(old.disk_id))
    assert scene.cluster.list("PersistentVolumeClaim", scene.namespace) == []
    scene.claim(volume)
    scene.running_pod("writer")
    assert scene.writers(old.path) == [old.volume, volume]


def test_the_way_back_leads_to_the_same_disk(scene: Scene) -> None:
    old = scene.old()
    scene.delete_old(old.volume)
    until("CNS has let go", lambda: not scene.registered(old.disk_id))
    volume = scene.csi_volume(old.disk_id)
    scene.claim(volume)
    scene.delete_old(volume)
    until("CNS has let go again", lambda: not scene.registered(old.disk_id))
    back = scene.intree_volume(old.path)
    scene.claim(back)
    until("the migration object is back", lambda: scene.migration(old.path) is not None)
    assert scene.migration_id(old.path) == old.disk_id
    scene.running_pod("writer")
    assert scene.attached(back)


def test_a_new_volume_may_take_the_name_of_the_detached_old_one(scene: Scene) -> None:
    old = scene.old()
    scene.delete_old(old.volume)
    volume = scene.csi_volume(old.disk_id, name=old.volume)
    scene.claim(volume)
    scene.running_pod("writer")
    assert scene.registered(old.disk_id)


def test_a_volume_that_could_not_be_registered_is_attached_by_its_path(scene: Scene) -> None:
    path = scene.disk()
    volume = scene.intree_volume(path, annotations={"lab/attached-by-path": "true"})
    scene.claim(volume)
    scene.running_pod("writer")
    assert scene.migration(path) is None
    assert scene.calls("CnsCreateVolume", Path(path).name) == []
    scene.delete_pod("writer", volume)
    scene.delete_old(volume)
    until("the registration", lambda: bool(scene.calls("CnsCreateVolume", Path(path).name)))
    until("the migration object gone", lambda: scene.migration(path) is None)
    assert scene.bytes_of(path).exists()


def test_retain_takes_the_provisioners_finalizer_away_and_keeps_the_data(scene: Scene) -> None:
    old = scene.old(policy="Delete")
    until("the finalizer", lambda: PROVISIONER_FINALIZER in finalizers(scene, old.volume))
    patch = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    scene.cluster.patch("PersistentVolume", old.volume, patch)
    until("no finalizer", lambda: PROVISIONER_FINALIZER not in finalizers(scene, old.volume))
    scene.delete_old(old.volume)
    until("CNS has let go", lambda: not scene.registered(old.disk_id))
    assert scene.bytes_of(old.path).exists()
    assert scene.path_of(old.disk_id) == old.path


def finalizers(scene: Scene, volume: str) -> list[str]:
    found = scene.cluster.get("PersistentVolume", volume)
    return list(found["metadata"].get("finalizers", []))


def test_delete_destroys_volume_registration_and_disk(scene: Scene) -> None:
    old = scene.old(policy="Delete")
    scene.delete("PersistentVolumeClaim", CLAIM)
    until("the volume gone", lambda: scene.phase(old.volume) == "")
    until("the migration object gone", lambda: scene.migration(old.path) is None)
    assert not scene.bytes_of(old.path).exists()
    with pytest.raises(KeyError):
        scene.path_of(old.disk_id)
    (call,) = scene.calls("CnsDeleteVolume", old.disk_id)
    assert call["summary"]["deleteDisk"] is True
    assert call["destroyed"] == [old.path]


def test_a_claim_of_the_intree_class_gets_an_intree_volume_made_by_the_driver(scene: Scene) -> None:
    claim = manifests.claim(Workload(scene.namespace, mebibytes=8), CLAIM, "")
    del claim["spec"]["volumeName"], claim["metadata"]["annotations"]
    scene.create(claim)
    until("the claim Bound", lambda: bound(scene, CLAIM))
    made = scene.cluster.get("PersistentVolumeClaim", CLAIM, scene.namespace)
    volume = scene.cluster.get("PersistentVolume", made["spec"]["volumeName"])
    path = volume["spec"]["vsphereVolume"]["volumePath"]
    annotations = volume["metadata"]["annotations"]
    assert annotations["pv.kubernetes.io/provisioned-by"] == "kubernetes.io/vsphere-volume"
    assert annotations["pv.kubernetes.io/migrated-to"] == "csi.vsphere.vmware.com"
    provisioner = made["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"]
    assert provisioner == "csi.vsphere.vmware.com"
    until("the migration object", lambda: scene.migration(path) is not None)
    assert path == f"[vsanDatastore] fcd/{scene.migration_id(path)}.vmdk"


def bound(scene: Scene, claim: str) -> bool:
    found = scene.cluster.get("PersistentVolumeClaim", claim, scene.namespace)
    return bool(found["status"].get("phase") == "Bound")


def test_a_touched_claim_is_bound_without_the_volume_controllers_stall(scene: Scene) -> None:
    for number in range(5):
        claim = f"data-{number}"
        volume = scene.intree_volume(scene.disk(), claim=claim)
        scene.cluster.create(manifests.claim(Workload(scene.namespace), claim, volume))
        until(f"{claim} Bound", lambda claim=claim: touched(scene, claim), seconds=12)  # type: ignore[misc]


def touched(scene: Scene, claim: str) -> bool:
    """Whether the claim is Bound; it is touched if not."""
    if bound(scene, claim):
        return True
    version = scene.cluster.get("PersistentVolumeClaim", claim, scene.namespace)["metadata"]
    patch = {"metadata": {"annotations": {"lab/nudge": version["resourceVersion"]}}}
    scene.cluster.patch("PersistentVolumeClaim", claim, patch, scene.namespace)
    return False
