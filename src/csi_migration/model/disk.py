"""A VMDK on a datastore, and the First Class Disk (FCD) that vCenter knows it as."""

from __future__ import annotations

import re
from dataclasses import dataclass

ORPHAN_PREFIX = "pvc-"
"""CNS Manager's cleaner takes unclaimed FCDs of this prefix for orphans and deletes them,
bytes and all.
"""
_DATASTORE_PATH = re.compile(r"^\s*\[([^\]]+)\]\s*(.*\S)\s*$")


@dataclass(frozen=True, slots=True)
class DiskPath:
    """`[datastore] folder/disk.vmdk`, taken apart.

    `datastore` is the bare datastore name; `file` is the path below the
    datastore's root, always ending in `.vmdk`.
    """

    datastore: str
    file: str

    @classmethod
    def parse(cls, text: str) -> DiskPath:
        """Read a `spec.vsphereVolume.volumePath`.

        The bracket may hold a datastore cluster or an inventory path in front
        of the name (`[Cluster/ds]`, `[/dc/datastore/ds]`, vsphere-csi-driver
        pull requests 628 and 643); the last segment is the datastore. A path
        without `.vmdk` means the same disk (vsphere-csi-driver issue 3060).

        Raises:
            ValueError: the text is no datastore path.
        """
        found = _DATASTORE_PATH.match(text)
        if not found:
            raise ValueError(f"{text!r} is not of the form '[datastore] folder/disk.vmdk'")
        datastore = found[1].rstrip("/").rsplit("/", 1)[-1].strip()
        file = found[2].lstrip("/")
        return cls(datastore, file if file.endswith(".vmdk") else f"{file}.vmdk")

    def __str__(self) -> str:
        return f"[{self.datastore}] {self.file}"


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A VMDK found on a datastore.

    Attributes:
        path: where it lies, with the datastore's name in vCenter.
        datastore_id: the datastore's managed object id (`datastore-42`).
        datacenter: the datacenter's inventory path (`/Folder/DC0`).
        capacity_bytes: the disk's provisioned size; 0 if vCenter does not say.
    """

    path: DiskPath
    datastore_id: str
    datacenter: str
    capacity_bytes: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A First Class Disk, as vCenter's catalog returns it.

    Attributes:
        id: the FCD id, which is the CSI `volumeHandle`.
        name: the FCD's name in the catalog.
        path: its backing file now.
        capacity_bytes: 0 if vCenter does not say.
        keep_after_delete_vm: whether the disk outlives a VM that holds it; None
            if it was not asked.
        consumers: ids of the VMs that vCenter records as using the disk.
        tracks_changes: whether changed-block tracking is on.
    """

    id: str
    name: str
    path: DiskPath
    capacity_bytes: int
    keep_after_delete_vm: bool | None
    consumers: tuple[str, ...] = ()
    tracks_changes: bool = False
