"""Reads how the datastores of a set's disks are, and where disks went that were moved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from csi_migration.engine.systems import Systems
from csi_migration.model.disk import DiskPath
from csi_migration.model.snapshot import DatastoreLook
from csi_migration.vsphere import storage
from csi_migration.vsphere.errors import DatastoreNotFound
from csi_migration.vsphere.inventory import Hardware
from csi_migration.vsphere.storage import Pod


def datastores_of(systems: Systems, paths: Iterable[str]) -> dict[str, DatastoreLook]:
    """The datastores that these paths of volumes lie on, by managed object id, as they are now.

    Takes as many calls for all as for one.
    """
    found = storage.states(systems.session, _ids(systems, paths))
    pods = storage.pods(systems.session) if any(one.pod for one in found.values()) else {}
    unknown = Pod("", is_automated=False)
    return {
        key: DatastoreLook(
            name=one.name,
            is_accessible=one.is_accessible,
            maintenance=one.maintenance,
            pod=pods.get(one.pod, unknown).name,
            is_pod_seen=not one.pod or one.pod in pods,
            is_automated=pods.get(one.pod, unknown).is_automated,
        )
        for key, one in found.items()
    }


def _ids(systems: Systems, paths: Iterable[str]) -> set[str]:
    ids = set()
    for path in paths:
        # Which can't be found is told of the disk.
        with contextlib.suppress(ValueError, DatastoreNotFound):
            ids.add(systems.disks.datastore_of(DiskPath.parse(path)).id)
    return ids


def moved_to(systems: Systems, path: DiskPath, disk_id: str, hardware: Hardware) -> str:
    """Where a First Class Disk lies that is not under its path; empty if nobody knows.

    The VM that holds it tells without a call; else every datastore's catalog is asked,
    for its id alone leads to no datastore.
    """
    if not disk_id:
        return ""
    for device in hardware.attachments:
        if device.disk_id == disk_id and device.file != str(path):
            return device.file
    disk = systems.disks.anywhere(disk_id)
    return str(disk.path) if disk and disk.path != path else ""
