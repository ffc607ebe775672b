"""Everything that may still hold a disk is seen, by itself: no other guard keeps one writer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine.observe import Observer
from csi_migration.engine.systems import Systems
from csi_migration.kube import resources
from csi_migration.model.disk import Disk
from csi_migration.model.step import Look, LookAt
from csi_migration.vsphere.inventory import Attachment, Hardware
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed

REPLICA = plan_of(snapshots.healthy()).replicas[0]
CLAIM = REPLICA.claims[0]
PATH = str(CLAIM.file.path)
ID = "fcd-1"
DISK = Disk(ID, "n", CLAIM.file.path, 0, keep_after_delete_vm=True)
CSI, IN_TREE = "kubernetes.io/csi/csi.vsphere.vmware.com^", "kubernetes.io/vsphere-volume/"
ELSEWHERE = "[ds] kubevols/another.vmdk"


@dataclass
class Disks:
    """What vCenter tells: the disk, if it is one, and what VMs hold."""

    disk: Disk | None = DISK
    held: Hardware = field(default_factory=lambda: Hardware((), ()))

    def find(self, _file: object) -> Disk | None:
        return self.disk

    def retrieve(self, _datastore: str, disk_id: str) -> Disk | None:
        assert disk_id == ID
        return self.disk

    def hardware(self) -> Hardware:
        return self.held


def held_by(cluster: MemoryCluster, disks: Disks) -> tuple[str, ...]:
    """Who holds the disk of web-1, whose pod was on node-1."""
    observer = observing(cluster, disks)
    observer.look(LookAt(Look.ATTACHMENTS))
    assert observer.facts.attached_by is not None
    return observer.facts.attached_by


def observing(cluster: MemoryCluster, disks: Disks) -> Observer:
    systems: Any = SimpleNamespace(client=cluster, disks=disks)
    return Observer(cast(Systems, systems), plan_of(snapshots.healthy()), REPLICA)


def cluster_with(node: str = "node-1", **status: Any) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.put(resources.NODES, snapshots.node(node) | {"status": status})
    return cluster


def device(path: str, *, disk_id: str = "", ancestors: tuple[str, ...] = ()) -> Hardware:
    mode = ("sharingNone", "persistent")
    return Hardware((Attachment("vm-7", path, *mode, "", ancestors, "", disk_id, flat=True),), ())


def test_a_disk_that_nothing_holds_is_free() -> None:
    others = cluster_with(
        volumesInUse=[IN_TREE + ELSEWHERE], volumesAttached=[{"name": CSI + "fcd-9"}]
    )
    others.put(resources.VOLUME_ATTACHMENTS, snapshots.attachment("pvc-0"))
    assert held_by(others, Disks(held=device(ELSEWHERE, disk_id="fcd-9"))) == ()


@pytest.mark.parametrize("volume", [CLAIM.old_volume, CLAIM.new_volume])
def test_a_volume_attachment_of_either_volume_holds_it(volume: str) -> None:
    cluster = cluster_with()
    cluster.put(resources.VOLUME_ATTACHMENTS, snapshots.attachment(volume, "node-2"))
    (words,) = held_by(cluster, Disks())
    assert words == f"VolumeAttachment csi-{volume}-node-2 on node node-2"


@pytest.mark.parametrize(
    "volume", [IN_TREE + PATH, CSI + PATH, CSI + ID], ids=["in-tree", "migrated", "CSI"]
)
@pytest.mark.parametrize("reported", ["in use", "attached"])
def test_a_node_that_still_reports_the_volume_holds_it(volume: str, reported: str) -> None:
    """Without any VolumeAttachment: the node unmounts after it is gone, too."""
    cluster = (
        cluster_with(volumesInUse=[volume])
        if reported == "in use"
        else cluster_with(volumesAttached=[{"name": volume}])
    )
    (words,) = held_by(cluster, Disks())
    assert words == f"node node-1, which still reports the volume of {CLAIM.name} in use"


def test_so_does_the_node_that_its_pod_moved_to() -> None:
    cluster = cluster_with("node-2", volumesInUse=[IN_TREE + PATH])
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    cluster.put(resources.PODS, changed(snapshots.pod(1), "spec/nodeName", "node-2"))
    observer = observing(cluster, Disks())
    observer.observe()
    observer.look(LookAt(Look.ATTACHMENTS))
    assert "node node-2" in (observer.facts.attached_by or ("",))[0]


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (device(PATH), f"vm vm-7: {PATH}"),
        (device(ELSEWHERE, disk_id=ID), f"vm vm-7: {PATH}"),
        (device("[ds] vm-7/delta.vmdk", ancestors=(PATH,)), f"vm vm-7: {PATH}"),
        (Hardware((), ("vm-8",)), f"vm vm-8, whose devices vCenter can't read: {PATH}"),
    ],
    ids=["its file", "its id", "a delta of it", "a VM that nobody can look into"],
)
def test_a_machine_holds_it_whatever_kubernetes_says(hardware: Hardware, words: str) -> None:
    assert held_by(cluster_with(), Disks(held=hardware)) == (words,)


def test_a_machine_holds_a_disk_that_is_no_first_class_disk_yet() -> None:
    assert held_by(cluster_with(), Disks(None, device(PATH))) == (f"vm vm-7: {PATH}",)


def test_a_consumer_in_vcenters_record_holds_it_though_no_machine_does() -> None:
    used = Disks(replace(DISK, consumers=("vm-7",)))
    assert held_by(cluster_with(), used) == (f"vCenter's record of vm-7 using disk {ID}",)


def test_a_node_that_is_gone_holds_nothing() -> None:
    assert held_by(MemoryCluster(), Disks()) == ()
