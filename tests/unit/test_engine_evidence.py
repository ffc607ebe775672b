"""Which VM a node is, who holds a disk, and what a finished migration has left."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from csi_migration.decide.plan import plan_of
from csi_migration.engine.backup_maps import map_of
from csi_migration.engine.evidence import gather, with_attachments
from csi_migration.engine.reading import Session
from csi_migration.engine.remains import remains
from csi_migration.engine.systems import Systems
from csi_migration.journal.archive import Chunk
from csi_migration.kube import Forbidden, Resource, resources
from csi_migration.model.disk import Disk
from csi_migration.model.evidence import Evidence, Verdict
from csi_migration.model.status import LeaseStatus
from csi_migration.vsphere.inventory import Attachment, Hardware, NodeMachine
from tests.unit import snapshots
from tests.unit.journal_samples import IDENTITY
from tests.unit.memory_cluster import MemoryCluster, Raw

PLAN = plan_of(snapshots.healthy())
CLAIM = PLAN.replicas[0].claims[0]
DISK = Disk("fcd-1", "n", CLAIM.file.path, 0, keep_after_delete_vm=True)


class Cluster(MemoryCluster):
    """`denied` is a plural that may not be listed."""

    denied = ""

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        at_once: bool = False,
    ) -> list[Raw]:
        if resource.plural == self.denied:
            raise Forbidden("no", status=403)
        return super().list(resource, namespace, labels=labels, at_once=at_once)


def device(vm: str, path: str) -> Attachment:
    return Attachment(vm, path, "sharingNone", "persistent", "", (), "", "", flat=True)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    csi = snapshots.csi_volume("pvc-1-csi", DISK.id)
    claim = snapshots.changed(snapshots.claim(1), "spec/volumeName", "pvc-1-csi")
    for resource, item in (
        (resources.PODS, snapshots.pod(1)),
        (resources.PODS, snapshots.pod(0)),
        (resources.CLAIMS, claim),
        (resources.CLAIMS, snapshots.claim(0)),
        (resources.VOLUMES, csi),
        (resources.VOLUMES, snapshots.volume(0)),
    ):
        made.put(resource, item)
    return made


def systems_on(cluster: Cluster, machines: Mapping[str, str]) -> Systems:
    devices = (device("vm-a", str(CLAIM.file.path)), device("vm-b", "[ds] other.vmdk"))
    known = {uuid: NodeMachine("", name, "") for uuid, name in machines.items()}
    held = Hardware(devices, (), known)
    fake = SimpleNamespace(
        client=cluster,
        session=None,
        disks=SimpleNamespace(retrieve=lambda *_: DISK, hardware=lambda: held),
        cns=SimpleNamespace(registered=lambda disk_id: disk_id == DISK.id),
    )
    return cast(Systems, fake)


def looked(cluster: Cluster, machines: Mapping[str, str] = MappingProxyType({})) -> Evidence:
    systems = systems_on(cluster, machines)
    return with_attachments(systems, PLAN, gather(systems, PLAN, None))


def test_only_a_csi_volume_names_a_disk(cluster: Cluster) -> None:
    found = looked(cluster).claims
    assert (found["data-web-1"].disk, found["data-web-1"].registered) == (DISK, True)
    assert found["data-web-1"].holders == ("vm-a",)
    assert (found["data-web-0"].disk, found["data-web-0"].registered) == (None, None)
    assert found["data-web-0"].holders == ()


@pytest.mark.parametrize(
    ("provider", "known", "machine"),
    [
        ("vsphere://4201-AB", {"4201-ab": "vm-a"}, {"node-1": "vm-a"}),
        ("", {"x": "node-1"}, {"node-1": "node-1"}),
        ("vsphere://9", {"4201-ab": "vm-a"}, {}),
    ],
)
def test_a_node_is_the_machine_of_its_uuid_or_else_of_its_name(
    cluster: Cluster,
    provider: str,
    known: dict[str, str],
    machine: dict[str, str],
) -> None:
    node: Raw = {"metadata": {"name": "node-1"}, "spec": {"providerID": provider}}
    cluster.put(resources.NODES, node)
    assert looked(cluster, known).machines == machine


# What is left ------------------------------------------------------------------------


def left(cluster: Cluster, lease: LeaseStatus | None = None, **claims: Any) -> list[Verdict]:
    session = SimpleNamespace(systems=SimpleNamespace(client=cluster), plan=PLAN, lease=lease)
    evidence = Evidence(None, claims.pop("pods", {}), claims)
    return list(remains(cast(Session, session), evidence))


def test_nothing_left_is_well() -> None:
    assert [each.is_ok for each in left(Cluster())] == [True]


def test_what_may_not_be_listed_is_no_problem() -> None:
    cluster = Cluster()
    cluster.denied = "configmaps"
    assert [each.is_ok for each in left(cluster)] == [True]


def test_everything_that_is_left_is_named() -> None:
    cluster = Cluster()
    for statefulset in (PLAN.statefulset, "others"):
        identity = replace(IDENTITY, statefulset=statefulset, statefulset_uid=PLAN.uid)
        chunk = Chunk(0, 1, "0" * 64, b"archive")
        cluster.put(resources.CONFIG_MAPS, map_of(identity, chunk))
    pod = snapshots.pod(1)
    pod["metadata"]["annotations"] = {"csi-migration/x": "1", "note": "mine"}
    lease = LeaseStatus("ops", "", 1.0, is_alive=False)
    found = left(cluster, lease, pods={"web-1": pod})
    assert [each.subject for each in found if not each.is_ok] == [
        "lease/csi-migration-web",
        "pod/web-1 csi-migration/x",
        "configmap/csi-migration-web-backup-0",
    ]


def test_the_backup_of_another_migration_of_the_set_is_not_to_be_deleted() -> None:
    cluster = Cluster()
    identity = replace(IDENTITY, statefulset=PLAN.statefulset, statefulset_uid="of-a-later-set")
    cluster.put(resources.CONFIG_MAPS, map_of(identity, Chunk(0, 1, "0" * 64, b"archive")))
    (found,) = left(cluster)
    assert (found.is_ok, "delete" in found.resolution) == (False, False)
    assert "has not ended" in found.message
