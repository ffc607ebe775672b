"""By which id a disk is asked for, and what an answer makes old."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from csi_migration.decide.manifests import with_handle
from csi_migration.decide.plan import plan_of
from csi_migration.engine.observe import Observer
from csi_migration.engine.systems import Systems
from csi_migration.kube import resources
from csi_migration.model.disk import Disk, DiskFile
from csi_migration.model.objects import FIELD_MANAGER, Raw
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.seen import Presence
from csi_migration.model.step import Look, LookAt
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster
from tests.unit.snapshots import changed

CLAIM = "data-web-0"
AT_DISK = LookAt(Look.DISK, CLAIM)


class Disks:
    """Knows one disk, by path and by id."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find(self, file: DiskFile) -> Disk:
        self.asked.append(str(file.path))
        return Disk("fcd-0", "n", file.path, 0, keep_after_delete_vm=True)

    def retrieve(self, _datastore: str, disk_id: str) -> None:
        self.asked.append(disk_id)


def observing(
    cluster: MemoryCluster, disks: Disks, *, disk_id: str = "", made: Collection[str] = ()
) -> Observer:
    """Of web-0, whose disk was no FCD when the migration was planned, or had this id."""
    plan = plan_of(snapshots.healthy())
    first = next(each for each in plan.replicas if each.pod == "web-0")
    claims = tuple(replace(claim, disk_id=disk_id) for claim in first.claims)
    systems: Any = SimpleNamespace(client=cluster, disks=disks)
    again = replace(first, claims=claims)
    return Observer(cast(Systems, systems), plan, again, made=made)


def csi_volume(plan: MigrationPlan, manager: str) -> Raw:
    first = next(each for each in plan.replicas if each.pod == "web-0")
    made = with_handle(first.claims[0].new_volume_manifest, "fcd-9")
    marked: Raw = changed(made, "metadata/managedFields", [{"manager": manager}])
    return marked


def cluster_with_volume(manager: str) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    cluster.put(resources.PODS, snapshots.pod(0))
    cluster.put(resources.VOLUMES, csi_volume(plan_of(snapshots.healthy()), manager))
    return cluster


def test_the_id_of_a_disk_comes_from_the_volume_that_was_made_of_it() -> None:
    """A resume would have to read the whole catalog for it, with the replica away."""
    disks = Disks()
    observer = observing(cluster_with_volume(FIELD_MANAGER), disks)
    observer.observe()
    observer.look(AT_DISK)
    assert disks.asked == ["fcd-9"]


def test_nobody_elses_volume_tells_the_id() -> None:
    disks = Disks()
    observer = observing(cluster_with_volume("somebody"), disks)
    observer.observe()
    observer.look(AT_DISK)
    assert disks.asked == ["[ds] kubevols/disk-0.vmdk"]


# What shows that this migration made an object ------------------------------------------

VOLUME_UID = "uid-new"


def cluster_without_a_record() -> MemoryCluster:
    """Somebody stripped managedFields, or ten other managers merged the tool's away."""
    cluster = cluster_with_volume("somebody")
    plan = plan_of(snapshots.healthy())
    first = next(each for each in plan.replicas if each.pod == "web-0")
    volume = cluster.get(resources.VOLUMES, first.claims[0].new_volume)
    cluster.put(resources.VOLUMES, changed(volume, "metadata/uid", VOLUME_UID))
    claim = changed(first.claims[0].new_claim_manifest, "metadata/uid", "uid-claim")
    cluster.put(resources.CLAIMS, claim)
    return cluster


def test_what_lost_its_record_of_who_wrote_it_is_known_by_the_journal() -> None:
    cluster = cluster_without_a_record()
    seen = observing(cluster, Disks(), made={VOLUME_UID, "uid-claim"}).observe().claims[CLAIM]
    assert (seen.claim.presence, seen.new_volume.presence) == (Presence.NEW, Presence.NEW)

    seen = observing(cluster, Disks()).observe().claims[CLAIM]
    assert (seen.claim.presence, seen.new_volume.presence) == (Presence.FOREIGN, Presence.FOREIGN)


def test_a_volume_of_a_disk_that_was_registered_anew_since_the_plan_is_known_too() -> None:
    """Its id is that of the volume then, and where it lies is looked at by it."""
    disks = Disks()
    cluster = cluster_without_a_record()
    observer = observing(cluster, disks, disk_id="fcd-of-the-plan", made={VOLUME_UID, "uid-claim"})
    assert observer.observe().claims[CLAIM].new_volume.presence is Presence.NEW
    observer.look(AT_DISK)
    assert disks.asked == ["fcd-9"]


def test_who_holds_a_disk_is_asked_anew_once_its_id_is_known() -> None:
    observer = observing(cluster_with_volume("somebody"), Disks())
    observer.facts.attached_by = ()
    observer.look(AT_DISK)
    assert observer.facts.attached_by is None


def test_what_was_seen_of_a_disk_while_its_pod_ran_is_forgotten_whoever_stopped_it() -> None:
    """A snapshot that was taken in between has made another file of it."""
    cluster, disks = cluster_with_volume(FIELD_MANAGER), Disks()
    observer = observing(cluster, disks)
    observer.observe()
    observer.look(AT_DISK)
    assert observer.observe().claims[CLAIM].disk_looked_up
    del cluster.objects["pods", "web-0"]
    assert not observer.observe().claims[CLAIM].disk_looked_up
    observer.look(AT_DISK)
    assert observer.observe().claims[CLAIM].disk_looked_up
