"""The lab's vCenter: its configuration, and disks made and looked up in it."""

from __future__ import annotations

import contextlib
import secrets
import ssl
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from lab.facts import Facts
from lab.layout import Layout
from lab.pki import Pair

FOLDER, DATACENTER = "Production", "DC0"
DATACENTER_PATH = f"/{FOLDER}/{DATACENTER}"
DATASTORES = ("vsanDatastore", "LUN 7 (fast)")
ADMINISTRATOR, DRIVER = "administrator@vsphere.local", "csi@vsphere.local"
# Since 8.0.3 CNS protects each disk that it registers from its VM's deletion (vsphere-csi-driver
# pull request 2723). Before, nobody does but who registers the disk.
VERSION, LAST_WITHOUT_PROTECTION = "8.0.3", "8.0.2"
ZONES = ("zone-a", "zone-b", "zone-c")
REGION = "region-1"

# What the driver's documentation asks for, and nothing that deletes.
DRIVER_PRIVILEGES = (
    "Cns.Searchable",
    "Datastore.Browse",
    "Datastore.FileManagement",
    "Sessions.ValidateSession",
    "StorageProfile.View",
    "System.Anonymous",
    "System.Read",
    "System.View",
    "VirtualMachine.Config.AddExistingDisk",
    "VirtualMachine.Config.AddRemoveDevice",
    "VirtualMachine.Config.RemoveDisk",
)


def nodes(cluster: str) -> list[dict[str, str]]:
    """The nodes of a cluster, each a VM of the same name; the uuid as VMware shapes it."""
    prefix = "" if cluster == "user" else f"{cluster}-"
    names = [f"{prefix}node-{number}" for number in (1, 2, 3)]
    return [
        {
            "name": name,
            "uuid": "42" + str(uuid.uuid5(uuid.NAMESPACE_DNS, name))[2:],
            "zone": zone,
            "region": REGION,
        }
        for name, zone in zip(names, ZONES, strict=True)
    ]


def password() -> str:
    """A new password with every character that configuration parsers stumble over."""
    return f'{secrets.token_urlsafe(12)} #;"\\='


def facts(port: int, ca: str, thumbprint: str, version: str) -> dict[str, Any]:
    """What clients of this vCenter need to know."""
    return {
        "url": f"https://127.0.0.1:{port}/sdk",
        "host": "127.0.0.1",
        "port": port,
        "ca": ca,
        "thumbprint": thumbprint,
        "version": version,
        "datacenter": DATACENTER_PATH,
        "datastores": list(DATASTORES),
        "user": ADMINISTRATOR,
        "password": password(),
        "driver_user": DRIVER,
        "driver_password": password(),
    }


def config(layout: Layout, known: Facts, serving: Pair, delays: dict[str, float]) -> dict[str, Any]:
    """The configuration file of `cmd/vcenter`; delays in seconds."""
    vcenter = known.vcenter
    return {
        "listen": f"{vcenter['host']}:{vcenter['port']}",
        "certificate": str(serving.certificate),
        "key": str(serving.key),
        "state": str(layout.vcenter),
        "api_version": f"{vcenter['version']}.0",
        "version": vcenter["version"],
        "users": [
            {"name": ADMINISTRATOR, "password": vcenter["password"], "role": "Admin"},
            {
                "name": DRIVER,
                "password": vcenter["driver_password"],
                "privileges": list(DRIVER_PRIVILEGES),
            },
        ],
        "folder": FOLDER,
        "datacenter": DATACENTER,
        "datastores": list(DATASTORES),
        "nodes": [
            {"name": node["name"], "uuid": node["uuid"]}
            for cluster in ("user", "admin")
            for node in nodes(cluster)
        ],
        "delays": delays,
    }


class Disks:
    """VMDKs and First Class Disks, as the vCenter's administrator sees them."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._datacenter = content.searchIndex.FindByInventoryPath(DATACENTER_PATH)

    def create(self, path: str, mebibytes: int) -> None:
        """Make a thin VMDK at `[datastore] folder/disk.vmdk`, and its folder."""
        self._make_folder(path.rpartition("/")[0])
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(  # type: ignore[no-untyped-call]
            diskType="thin", adapterType="lsiLogic", capacityKb=mebibytes * 1024
        )
        manager = self._content.virtualDiskManager
        self._wait(manager.CreateVirtualDisk_Task(path, self._datacenter, spec))

    def datastore_cluster(self, name: str) -> str:
        """Make an empty one, in which Storage DRS would move disks by itself; its id.

        It stays: the simulator can't destroy one.
        """
        pod = self._datacenter.datastoreFolder.CreateStoragePod(name)
        automated = vim.storageDrs.PodConfigSpec(  # type: ignore[no-untyped-call]
            enabled=True, defaultVmBehavior="automated"
        )
        spec = vim.storageDrs.ConfigSpec(podConfigSpec=automated)  # type: ignore[no-untyped-call]
        manager = self._content.storageResourceManager
        self._wait(manager.ConfigureStorageDrsForPod_Task(pod, spec, modify=True))
        return str(pod).strip("'").partition(":")[2]

    def path_of(self, disk_id: str) -> str:
        """Where the First Class Disk's backing file lies now."""
        return str(self.first_class_disk(disk_id).config.backing.filePath)

    def first_class_disk(self, disk_id: str) -> Any:
        """The VStorageObject. Raises KeyError when no datastore knows it."""
        manager = self._content.vStorageObjectManager
        known = vim.vslm.ID(id=disk_id)  # type: ignore[no-untyped-call]
        for datastore in self._datacenter.datastore:
            with contextlib.suppress(vim.fault.NotFound):
                return manager.RetrieveVStorageObject(known, datastore)
        raise KeyError(f"no First Class Disk {disk_id}")

    def protect(self, paths: Collection[str]) -> None:
        """Let the First Class Disks of these VMDKs outlive the VM that holds them."""
        for datastore, found in self._disks(paths):
            manager = self._content.vStorageObjectManager
            manager.SetVStorageObjectControlFlags(found.config.id, datastore, ["keepAfterDeleteVm"])

    def destroy(self, paths: Collection[str]) -> None:
        """Take the First Class Disks of these VMDKs away, bytes and all, but for those in use."""
        manager = self._content.vStorageObjectManager
        for datastore, found in self._disks(paths):
            with contextlib.suppress(vim.fault.NotFound, vim.fault.InvalidState):
                self._wait(manager.DeleteVStorageObject_Task(found.config.id, datastore))

    def _disks(self, paths: Collection[str]) -> Iterator[tuple[Any, Any]]:
        """The First Class Disks of these VMDKs, each with its datastore."""
        manager = self._content.vStorageObjectManager
        for datastore in self._datacenter.datastore:
            for known in manager.ListVStorageObject(datastore):
                # Another one may have gone since they were listed.
                with contextlib.suppress(vim.fault.NotFound):
                    found = manager.RetrieveVStorageObject(known, datastore)
                    if found.config.backing.filePath in paths:
                        yield datastore, found

    def _make_folder(self, path: str) -> None:
        try:
            self._content.fileManager.MakeDirectory(
                path, self._datacenter, createParentDirectories=True
            )
        except vim.fault.FileAlreadyExists:
            return

    def _wait(self, task: Any) -> None:
        """The simulator's tasks can only be read property by property."""
        prop: Any = vmodl.query.PropertyCollector
        spec = prop.FilterSpec(
            objectSet=[prop.ObjectSpec(obj=task)],
            propSet=[prop.PropertySpec(type=vim.Task, pathSet=["info.state", "info.error"])],
        )
        while True:
            found = self._content.propertyCollector.RetrieveContents([spec])[0].propSet
            seen = {item.name: item.val for item in found}
            if seen["info.state"] == "error":
                raise seen["info.error"]
            if seen["info.state"] == "success":
                return


@contextmanager
def disks(vcenter: dict[str, Any]) -> Iterator[Disks]:
    """A session of the administrator, checked against the lab's CA."""
    instance = SmartConnect(  # type: ignore[no-untyped-call]
        host=vcenter["host"],
        port=vcenter["port"],
        user=vcenter["user"],
        pwd=vcenter["password"],
        sslContext=ssl.create_default_context(cafile=vcenter["ca"]),
    )
    try:
        yield Disks(instance.RetrieveContent())
    finally:
        Disconnect(instance)  # type: ignore[no-untyped-call]
