"""Reads what vCenter says of the disks of a set's claims, and of its nodes' VMs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from csi_migration.decide.checks_volumes import claims_by_ordinal, volume_of
from csi_migration.engine.gather_storage import datastores_of, moved_to
from csi_migration.engine.systems import Systems
from csi_migration.kube import Client, NotFound, resources
from csi_migration.model.disk import Disk, DiskFile, DiskPath
from csi_migration.model.objects import Raw, vm_uuid_of
from csi_migration.model.snapshot import DatastoreLook, DiskAttachment, DiskLook, Machine, Snapshot
from csi_migration.vsphere.disks import Disks, Holdings
from csi_migration.vsphere.errors import DatastoreNotFound, DiskNotFound
from csi_migration.vsphere.inventory import Attachment, Hardware, NodeMachine

MOST_ONE_BY_ONE = 100
"""First Class Disks that are asked for one by one, in a look at a whole set."""


def with_disks(
    systems: Systems,
    snapshot: Snapshot,
    recorded: Mapping[DiskPath, str],
    *,
    one_by_one: bool = True,
) -> Snapshot:
    """The snapshot with what vCenter says of its claims' disks and its nodes' VMs.

    Args:
        systems: where to look.
        snapshot: with claims, volumes and nodes.
        recorded: FCD ids by path, as the driver's syncer recorded them.
        one_by_one: whether each First Class Disk is asked for, however many there are.
            vCenter has no call that retrieves several. Without, a set of more than
            MOST_ONE_BY_ONE disks goes by the VMs' devices, which name file and FCD,
            and by the catalog's word, for many a call, that it knows the FCD.
    """
    paths = dict(_paths(snapshot))
    stores = datastores_of(systems, paths.values())
    hardware = systems.disks.hardware()
    looking = _Looking(systems, hardware, recorded, _out_of_reach(stores))
    return replace(
        snapshot,
        machines=_machines(systems.disks, snapshot, hardware),
        vcenter_version=systems.session.about.api_version,
        disks=looking.at(paths, one_by_one=one_by_one),
        datastores=stores,
        unreadable_machines=hardware.unreadable,
    )


class _Looking:
    """One look at many disks."""

    def __init__(
        self,
        systems: Systems,
        hardware: Hardware,
        recorded: Mapping[DiskPath, str],
        out_of_reach: Collection[str],
    ) -> None:
        self._systems, self._disks, self._recorded = systems, systems.disks, recorded
        self._hardware, self._held = hardware, Holdings(hardware)
        self._out_of_reach = out_of_reach

    def at(self, texts: Mapping[str, str], *, one_by_one: bool) -> dict[str, DiskLook]:
        """What vCenter says, by claim, of the disks at these paths."""
        paths, looks = _parsed(texts)
        for name in [name for name, path in paths.items() if self._is_out_of_reach(path)]:
            paths.pop(name)
            looks[name] = DiskLook()
        located = self._disks.locate_all(paths.values())
        found = {path: file for path, file in located.items() if isinstance(file, DiskFile)}
        known = {}
        if not one_by_one and len(found) > MOST_ONE_BY_ONE:
            known = self._by_their_devices(found)
        for name, path in paths.items():
            file = located[path]
            if isinstance(file, DiskFile):
                looks[name] = self._look(path, file, known.get(file.path))
            else:
                looks[name] = self._lost(path, file)
        return looks

    def _is_out_of_reach(self, path: DiskPath) -> bool:
        with contextlib.suppress(DatastoreNotFound):  # which is told of the disk
            return self._disks.datastore_of(path).id in self._out_of_reach
        return False

    def _lost(self, path: DiskPath, error: DatastoreNotFound | DiskNotFound) -> DiskLook:
        recorded_id, moved = self._recorded.get(path, ""), ""
        if isinstance(error, DiskNotFound):
            moved = moved_to(self._systems, path, recorded_id, self._hardware)
        return DiskLook(recorded_id=recorded_id, problem=str(error), moved_to=moved)

    def _look(self, path: DiskPath, file: DiskFile, known: Disk | None) -> DiskLook:
        recorded_id = self._recorded_id(path, file)
        disk = known or self._disks.find(file, recorded_id or None)
        attached = self._held.of(file.path, disk.id if disk else None)
        return DiskLook(file, disk, recorded_id, tuple(map(_attachment, attached)))

    def _recorded_id(self, path: DiskPath, file: DiskFile) -> str:
        return self._recorded.get(path) or self._recorded.get(file.path, "")

    def _by_their_devices(self, found: Mapping[DiskPath, DiskFile]) -> dict[DiskPath, Disk]:
        """The FCDs that VMs hold as what the driver recorded, and the catalog knows."""
        ids = {}
        for path, file in found.items():
            held_as = self._held.disk_id_of(file.path)
            if held_as and self._recorded_id(path, file) in ("", held_as):
                ids[file.path] = (file.datastore_id, held_as)
        known = self._disks.known_to_catalog(ids.values())
        return {
            path: Disk(id_, "", path, 0, keep_after_delete_vm=None)
            for path, (_, id_) in ids.items()
            if id_ in known
        }


def _out_of_reach(stores: Mapping[str, DatastoreLook]) -> set[str]:
    return {key for key, store in stores.items() if not store.is_accessible}


def _paths(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The path of each claim that is on an in-tree volume."""
    for _, name in claims_by_ordinal(snapshot):
        claim = snapshot.claims.get(name)
        volume = volume_of(snapshot, claim) if claim else None
        source = volume["spec"].get("vsphereVolume") if volume else None
        if source:
            yield name, source["volumePath"]


def _parsed(texts: Mapping[str, str]) -> tuple[dict[str, DiskPath], dict[str, DiskLook]]:
    """The paths, and looks at those that are none."""
    paths, looks = {}, {}
    for name, text in texts.items():
        try:
            paths[name] = DiskPath.parse(text)
        except ValueError as error:
            looks[name] = DiskLook(problem=str(error))
    return paths, looks


def _attachment(found: Attachment) -> DiskAttachment:
    return DiskAttachment(
        vm=found.vm,
        vm_id=found.vm_id,
        sharing=found.sharing,
        parent=found.parent,
        disk_mode=found.disk_mode,
        flat=found.flat,
        encrypted=found.encrypted,
    )


def _machines(disks: Disks, snapshot: Snapshot, hardware: Hardware) -> dict[str, Machine]:
    found: dict[str, NodeMachine] = {}
    for name, node in (snapshot.nodes or {}).items():
        if one := hardware.machine_of(name, vm_uuid_of(node)):
            found[name] = one
    seeing = disks.seeing_uuids(found.values())
    return {
        name: Machine(
            name=one.name,
            hardware=one.hardware,
            has_disk_uuid=one.id in seeing,
            id=one.id,
            tracks_changes=one.tracks_changes,
            has_snapshot=one.has_snapshot,
        )
        for name, one in found.items()
    }


# The driver's records --------------------------------------------------------------


def recorded_ids(client: Client) -> dict[DiskPath, str]:
    """FCD ids by path, as the driver's syncer recorded them.

    (vsphere-csi-driver: pkg/apis/migration/v1alpha1/types.go.) The syncer
    defines the kind with the first volume that it records.
    """
    try:
        return ids_by_path(client.list(resources.VOLUME_MIGRATIONS, keep=_record))
    except NotFound:
        return {}


def ids_by_path(records: list[Raw]) -> dict[DiskPath, str]:
    """What these records say."""
    found: dict[DiskPath, str] = {}
    for record in records:
        try:
            path = DiskPath.parse(record["spec"]["volumepath"])
        except ValueError:
            continue  # a record of no disk: nothing here can mean it
        found[path] = record["spec"]["volumeid"]
    return found


def _record(item: Raw) -> Raw:
    return {"spec": item["spec"]}
