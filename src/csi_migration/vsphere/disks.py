"""VMDKs and the First Class Disks (FCDs) that vCenter's catalog knows them as.

Nothing here can delete, move or detach a disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from csi_migration.model.disk import ORPHAN_PREFIX, Disk, DiskFile, DiskPath
from csi_migration.vsphere import files, inventory
from csi_migration.vsphere._bindings import vim, vmodl
from csi_migration.vsphere.batches import batches
from csi_migration.vsphere.errors import (
    DatastoreNotFound,
    DiskNotFound,
    Faulted,
    PermissionDenied,
    RegistrationRefused,
)
from csi_migration.vsphere.inventory import Attachment, Datastore, Hardware, NodeMachine
from csi_migration.vsphere.session import Session

_MIB = 1024 * 1024
# Ids that one call asks for.
_IDS = 250
_KEEP = "keepAfterDeleteVm"


@dataclass(frozen=True, slots=True)
class _Catalog:
    """A datastore's FCDs by path, and those that could not be read, by id."""

    ids: dict[DiskPath, str] = field(default_factory=dict)
    unread: dict[str, Faulted | PermissionDenied] = field(default_factory=dict)


class Disks:
    """The disks of one vCenter.

    `datacenters` are those of the driver's configuration; they matter only
    where two datacenters have a datastore of the same name. The inventory's
    datastores and each datastore's catalog are read once.
    """

    def __init__(self, session: Session, datacenters: tuple[str, ...] = ()) -> None:
        self._session = session
        self._datacenters = datacenters
        self._datastores: list[Datastore] | None = None
        self._catalogs: dict[str, _Catalog] = {}

    def locate_all(
        self, paths: Iterable[DiskPath]
    ) -> dict[DiskPath, DiskFile | DatastoreNotFound | DiskNotFound]:
        """Find the VMDKs that volumes' paths mean, under vCenter's own names for them.

        Errors stand in the files' places: no datastore has that name, or several have; the
        datastore has no such VMDK. Few calls for many paths.
        """
        found: dict[DiskPath, DiskFile | DatastoreNotFound | DiskNotFound] = {}
        on: dict[Datastore, list[DiskPath]] = {}
        for path in dict.fromkeys(paths):
            try:
                store = self.datastore_of(path)
            except DatastoreNotFound as error:
                found[path] = error
            else:
                on.setdefault(store, []).append(path)
        for store, inside in on.items():
            found |= files.stat(self._session, inside, store)
        return found

    def datastore_of(self, path: DiskPath) -> Datastore:
        """The datastore that a volume's path means.

        Raises:
            DatastoreNotFound: no datastore has that name, or several have.
        """
        return files.pick(path.datastore, self._all_datastores(), self._datacenters)

    def anywhere(self, disk_id: str) -> Disk | None:
        """The FCD of that id on whatever datastore: asks each one."""
        for each in self._all_datastores():
            with contextlib.suppress(Faulted, PermissionDenied):
                if disk := self.retrieve(each.id, disk_id):
                    return disk
        return None

    def find(self, file: DiskFile, expected_id: str | None = None) -> Disk | None:
        """The FCD that a VMDK is registered as, or None if it is not.

        `expected_id` is looked at first; a wrong one does no harm. The
        datastore's catalog is listed only if that is not it.
        """
        return self._backed_by(file, expected_id) or self._backed_by(
            file, self._catalog(file.datastore_id).ids.get(file.path)
        )

    def find_surely(self, file: DiskFile) -> Disk | None:
        """The same, of a VMDK that must be one: None only after all of the catalog was read.

        What could not be read before is read again.

        Raises:
            Faulted, PermissionDenied: one of the catalog's disks can't be read.
        """
        if found := self.find(file):
            return found
        catalog = self._catalog(file.datastore_id)
        again = self._read(file.datastore_id, catalog.unread)
        self._catalogs[file.datastore_id] = _Catalog(catalog.ids | again.ids, again.unread)
        found = self.find(file)
        if found is None and again.unread:
            error = next(iter(again.unread.values()))
            error.details = f"it may be that of {file.path}; {error.details}".removesuffix("; ")
            raise error
        return found

    def known_to_catalog(self, disks: Iterable[tuple[str, str]]) -> frozenset[str]:
        """The ids that vCenter's catalog knows, of (datastore id, FCD id), many a call."""
        known: set[str] = set()
        for some in batches(list(disks), _IDS):
            specs = [self._spec(*each) for each in some]
            known |= {each.id.id for each in self._associations(specs) if each.fault is None}
        return frozenset(known)

    def _associations(self, specs: list[Any]) -> list[Any]:
        manager = self._session.content.vStorageObjectManager
        found: list[Any] = self._session.read(
            lambda: manager.RetrieveVStorageObjectAssociations(specs),
            method="RetrieveVStorageObjectAssociations",
            subject=f"{len(specs)} disks from {specs[0].id.id}",
        )
        return found

    def _spec(self, datastore_id: str, disk_id: str) -> Any:
        return vim.vslm.vcenter.RetrieveVStorageObjSpec(
            id=vim.vslm.ID(id=disk_id), datastore=self._datastore(datastore_id)
        )

    def register(self, file: DiskFile, name: str) -> str:
        """Make a VMDK an FCD and return its id; the present id if it is one already.

        The id is vCenter's word only: `retrieve` it and compare the path, for
        a stale catalog answers with ids that lead nowhere or elsewhere
        (vsphere-csi-driver issue 3082).

        Raises:
            ValueError: the name would make the disk look like an orphan.
            RegistrationRefused: vCenter will not have it.
            RegistrationUnknown: no answer came.
        """
        if name.startswith(ORPHAN_PREFIX):
            raise ValueError(f"an FCD must not be called {ORPHAN_PREFIX}…: {name}")
        url = files.url(self._session.host, self._session.port, file)
        manager = self._session.content.vStorageObjectManager
        # What becomes of the disk is unknown until the answer.
        catalog = self._catalogs.pop(file.datastore_id, None)
        try:
            made = self._session.write(
                lambda: manager.RegisterDisk(url, name),
                method="RegisterDisk",
                subject=str(file.path),
                expect=(vim.fault.AlreadyExists, vmodl.fault.InvalidArgument),
            )
        except vim.fault.AlreadyExists as fault:
            return str(fault.name)
        except vmodl.fault.InvalidArgument as fault:
            raise _refused(self._session.host, file, url, fault) from fault
        disk_id = str(made.config.id.id)
        if catalog is not None:  # to list it anew costs a call for each disk in it
            catalog.ids[file.path] = disk_id
            self._catalogs[file.datastore_id] = catalog
        return disk_id

    def retrieve(self, datastore_id: str, disk_id: str) -> Disk | None:
        """The FCD of that id, or None if the datastore's catalog has none."""
        manager = self._session.content.vStorageObjectManager
        try:
            found = self._session.read(
                lambda: manager.RetrieveVStorageObject(
                    vim.vslm.ID(id=disk_id), self._datastore(datastore_id)
                ),
                method="RetrieveVStorageObject",
                subject=disk_id,
                expect=(vim.fault.NotFound,),
            )
        except vim.fault.NotFound:
            return None
        return _disk(found.config)

    def protect(self, datastore_id: str, disk_id: str) -> None:
        """Let an FCD outlive any VM that holds it when the VM is deleted.

        Setting it twice is as good as once. `retrieve` tells whether it took.

        Raises:
            DiskNotFound: the catalog has no such disk.
            RegistrationUnknown: no answer came.
            Faulted: vCenter refused; `InvalidState` may pass (issue 2165).
        """
        manager = self._session.content.vStorageObjectManager
        try:
            self._session.write(
                lambda: manager.SetVStorageObjectControlFlags(
                    vim.vslm.ID(id=disk_id), self._datastore(datastore_id), [_KEEP]
                ),
                method="SetVStorageObjectControlFlags",
                subject=disk_id,
                expect=(vim.fault.NotFound,),
            )
        except vim.fault.NotFound as fault:
            raise DiskNotFound(
                f"vCenter {self._session.host}: no FCD {disk_id} on {datastore_id}"
            ) from fault

    def hardware(self) -> Hardware:
        """What all VMs hold right now: one walk, to be asked about many disks."""
        return inventory.hardware(self._session)

    def seeing_uuids(self, machines: Iterable[NodeMachine]) -> frozenset[str]:
        """The ids of those VMs that have disk.EnableUUID on: one call."""
        return inventory.seeing_uuids(self._session, [each.id for each in machines])

    def _all_datastores(self) -> list[Datastore]:
        if self._datastores is None:
            self._datastores = inventory.datastores(self._session)
        return self._datastores

    def _backed_by(self, file: DiskFile, disk_id: str | None) -> Disk | None:
        disk = self.retrieve(file.datastore_id, disk_id) if disk_id else None
        return disk if disk and disk.path == file.path else None

    def _catalog(self, datastore_id: str) -> _Catalog:
        if datastore_id not in self._catalogs:
            self._catalogs[datastore_id] = self._read(datastore_id, self._listed(datastore_id))
        return self._catalogs[datastore_id]

    def _listed(self, datastore_id: str) -> list[str]:
        manager = self._session.content.vStorageObjectManager
        ids = self._session.read(
            lambda: manager.ListVStorageObject(self._datastore(datastore_id)),
            method="ListVStorageObject",
            subject=datastore_id,
        )
        return [each.id for each in ids]

    def _read(self, datastore_id: str, ids: Iterable[str]) -> _Catalog:
        """The disks of these ids, apart from those that vCenter itself can't read.

        A catalog may hold broken entries of others, which concern nobody here.
        Should one be of a disk of ours, `register` is answered with its id and
        `retrieve` of that id fails as it must; after that, `find_surely` tells.
        """
        catalog = _Catalog()
        for disk_id in ids:
            try:
                disk = self.retrieve(datastore_id, disk_id)
            except (Faulted, PermissionDenied) as error:
                catalog.unread[disk_id] = error
            else:
                if disk:
                    catalog.ids[disk.path] = disk.id
        return catalog

    def _datastore(self, datastore_id: str) -> Any:
        return self._session.managed(vim.Datastore, datastore_id)


def held_by(hardware: Hardware, path: DiskPath, disk_id: str | None) -> tuple[Attachment, ...]:
    """The devices that hold the disk or a delta of it."""
    return tuple(device for device in hardware.attachments if holds(device, path, disk_id))


class Holdings:
    """Who holds what, to be asked about thousands of disks."""

    def __init__(self, hardware: Hardware) -> None:
        self._devices = hardware.attachments
        self._by_file: dict[str, list[int]] = {}
        self._by_id: dict[str, list[int]] = {}
        for number, device in enumerate(self._devices):
            for file in (device.file, *device.ancestors):
                self._by_file.setdefault(file, []).append(number)
            self._by_id.setdefault(device.disk_id, []).append(number)

    def of(self, path: DiskPath, disk_id: str | None) -> tuple[Attachment, ...]:
        """What `held_by` says."""
        found = {*self._by_file.get(str(path), ())}
        if disk_id is not None:
            found.update(self._by_id.get(disk_id, ()))
        return tuple(self._devices[number] for number in sorted(found))

    def disk_id_of(self, path: DiskPath) -> str:
        """The FCD id that a device on this very file was attached by; empty if by none."""
        devices = (self._devices[number] for number in self._by_file.get(str(path), ()))
        ids = (device.disk_id for device in devices if device.file == str(path))
        return next(filter(None, ids), "")


def holders_in(hardware: Hardware, path: DiskPath, disk_id: str | None) -> tuple[str, ...]:
    """The VMs that hold the disk, and those that nobody can tell of, in words."""
    known = (f"vm {device.vm}" for device in held_by(hardware, path, disk_id))
    unknown = (f"vm {name}, whose devices vCenter can't read" for name in hardware.unreadable)
    return tuple(dict.fromkeys((*known, *unknown)))


def holds(device: Attachment, path: DiskPath, disk_id: str | None) -> bool:
    """Whether a device holds the disk: by FCD id, by its file, or as its delta."""
    chain = {str(path)}.intersection((device.file, *device.ancestors))
    return bool(chain) or (disk_id is not None and device.disk_id == disk_id)


def _disk(config: Any) -> Disk:
    return Disk(
        id=config.id.id,
        name=config.name,
        path=_path(config),
        capacity_bytes=(config.capacityInMB or 0) * _MIB,
        keep_after_delete_vm=bool(config.keepAfterDeleteVm),
        tracks_changes=bool(config.changedBlockTrackingEnabled),
        consumers=tuple(each.id for each in config.consumerId),
    )


def _path(config: Any) -> DiskPath:
    """Where its bytes are.

    Raises:
        Faulted: its datastore is gone, and its path is none any more.
    """
    try:
        return DiskPath.parse(config.backing.filePath)
    except ValueError as error:
        words = f"First Class Disk {config.id.id} has no path on a datastore"
        raise Faulted(words, fault="", details=str(error)) from error


def _refused(host: str, file: DiskFile, url: str, fault: Any) -> RegistrationRefused:
    return RegistrationRefused(
        f"vCenter {host}: RegisterDisk of {file.path} refused its {fault.invalidProperty}",
        details=f"the URL given was {url}",
        resolution="check that the VMDK is still there and the datacenter was not renamed",
    )
