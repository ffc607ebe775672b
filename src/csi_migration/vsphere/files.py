"""VMDKs on datastores: where a path leads, and the URL that vCenter wants for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import quote

from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.vsphere import tasks
from csi_migration.vsphere._bindings import vim
from csi_migration.vsphere.batches import batches
from csi_migration.vsphere.errors import DatastoreNotFound, DiskNotFound, VSphereError
from csi_migration.vsphere.inventory import Datastore, properties_of
from csi_migration.vsphere.session import Session

_HTTPS = 443
_SHOWN = 10
_SEARCH = "SearchDatastore"
# Names that one search looks for.
_PATTERNS = 250
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4,12}){3,4}", re.IGNORECASE)


def pick(name: str, known: list[Datastore], datacenters: tuple[str, ...]) -> Datastore:
    """The datastore that a path's bracket means.

    Several datacenters may have one of that name. They count as one if they
    mount the same storage; else the datacenters of the driver's configuration,
    names or inventory paths, tell which is meant.

    Raises:
        DatastoreNotFound: there is none, or it is still not clear which.
    """
    named = [each for each in known if each.name == name]
    meant = [each for each in named if _listed(each.datacenter, datacenters)]
    found = {each.url: each for each in reversed(meant or named)}
    if len(found) == 1:
        return next(iter(found.values()))
    if named:
        raise DatastoreNotFound(
            f"several datastores are called {name!r}",
            details="; ".join(f"{each.id} in {each.datacenter}" for each in named),
            resolution="name the right datacenter in `datacenters` of the driver's configuration",
        )
    raise DatastoreNotFound(
        f"no datastore is called {name!r}",
        details=f"there are: {', '.join(sorted({each.name for each in known})) or 'none'}",
        resolution="a renamed datastore must get its old name back, or the user needs "
        "System.Read on it",
    )


def stat(
    session: Session, paths: Collection[DiskPath], datastore: Datastore
) -> dict[DiskPath, DiskFile | DiskNotFound]:
    """Look VMDKs up on their datastore, many of a folder with one search.

    One that is not there is answered with the error, which tells what lies in
    the folder instead.
    """
    folders: dict[str, list[DiskPath]] = {}
    for path in paths:
        folders.setdefault(_folder(path), []).append(path)
    found: dict[DiskPath, DiskFile | DiskNotFound] = {}
    for inside in folders.values():
        found |= _stat(session, inside, datastore)
    return found


def _stat(
    session: Session, paths: list[DiskPath], datastore: Datastore
) -> dict[DiskPath, DiskFile | DiskNotFound]:
    """The same for the VMDKs of one folder."""
    folder = _folder(canonical(session, paths[0], datastore))
    there = _found(session, datastore, folder, sorted({_name(path) for path in paths}))
    looks = {path: there.get(_name(path)) for path in paths}
    files = ""
    if None in looks.values():
        files = _beside(session, datastore, folder)
    return {
        path: _file(_within(folder, path), datastore, look)
        if look
        else _not_found(session, _within(folder, path), datastore, files)
        for path, look in looks.items()
    }


def _beside(session: Session, datastore: Datastore, folder: str) -> str:
    """What lies in the folder instead: a help to who reads it, and worth no failure."""
    try:
        return _shown(_search(session, datastore, folder, ["*.vmdk"]))
    except VSphereError as error:
        return f"what could not be listed ({error.message})"


def _found(session: Session, datastore: Datastore, folder: str, names: list[str]) -> dict[str, Any]:
    return _search(session, datastore, folder, *batches(names, _PATTERNS))


def _file(path: DiskPath, datastore: Datastore, found: Any) -> DiskFile:
    capacity = (getattr(found, "capacityKb", None) or 0) * 1024
    return DiskFile(path, datastore.id, datastore.datacenter, capacity)


def _folder(path: DiskPath) -> str:
    return path.file.rpartition("/")[0]


def _name(path: DiskPath) -> str:
    return path.file.rpartition("/")[2]


def _within(folder: str, path: DiskPath) -> DiskPath:
    return DiskPath(path.datastore, f"{folder}/{_name(path)}".lstrip("/"))


def url(host: str, port: int, file: DiskFile) -> str:
    """The URL under which vCenter serves a VMDK, the only name `RegisterDisk` takes.

    `dcPath` must be the inventory path: with a datacenter's bare name vCenter
    refuses `dsDiskUrl` when it lies in a folder (vsphere-csi-driver issue 3093).
    """
    at = f"[{host}]" if ":" in host else host
    at = at if port == _HTTPS else f"{at}:{port}"
    center, store = (quote(each, safe="") for each in (file.datacenter, file.path.datastore))
    return f"https://{at}/folder/{quote(file.path.file)}?dcPath={center}&dsName={store}"


def canonical(session: Session, path: DiskPath, datastore: Datastore) -> DiskPath:
    """The path under the folder's own name.

    On vSAN a folder's readable name (`kubevols`) is an alias of its uuid, and
    devices and the disk catalog use the uuid. vCenter tells it when asked for
    a disk in that folder that is not there.
    """
    top, _, _ = path.file.partition("/")
    if datastore.kind.lower() != "vsan" or _UUID.fullmatch(top):
        return path
    probe = f"{_folder(path)}/no-such-disk-{_name(path)}".lstrip("/")
    return _within(_folder(_told(session, DiskPath(path.datastore, probe), datastore)), path)


def _listed(datacenter: str, wanted: tuple[str, ...]) -> bool:
    return any(
        datacenter == f"/{each.strip('/')}" or datacenter.endswith(f"/{each}") for each in wanted
    )


def _told(session: Session, probe: DiskPath, datastore: Datastore) -> DiskPath:
    """The path under which vCenter reports `probe` missing."""
    ask = session.content.virtualDiskManager.QueryVirtualDiskUuid
    center = session.managed(vim.Datacenter, datastore.datacenter_id)
    try:
        session.read(
            lambda: ask(str(probe), center),
            method="QueryVirtualDiskUuid",
            subject=str(probe),
            expect=(vim.fault.FileNotFound,),
        )
    except vim.fault.FileNotFound as fault:
        return DiskPath.parse(fault.file) if fault.file.startswith("[") else probe
    return probe


def _shown(found: Iterable[str]) -> str:
    there = sorted(found)
    more = f" and {len(there) - _SHOWN} more" if there[_SHOWN:] else ""
    return ", ".join(there[:_SHOWN]) + more or "no VMDK"


def _not_found(session: Session, path: DiskPath, datastore: Datastore, files: str) -> DiskNotFound:
    return DiskNotFound(
        f"vCenter {session.host}: no VMDK {path}",
        details=f"[{datastore.name}] {_folder(path)} holds: {files}",
        resolution="it was moved (Storage DRS, Storage vMotion renames too), renamed or deleted: "
        "find it in vCenter and move it back under this path",
    )


def _search(
    session: Session, datastore: Datastore, folder: str, *patterns: list[str]
) -> dict[str, Any]:
    """What is found by any of these searches, which run side by side."""
    where = f"[{datastore.name}] {folder}"
    store = session.managed(vim.Datastore, datastore.id)
    search = properties_of(session, store, ["browser"])["browser"].SearchDatastore_Task

    def begin(some: list[str]) -> Any:
        spec = _vmdks(some)
        return session.read(lambda: search(where, spec), method=_SEARCH, subject=where)

    missing = (vim.fault.FileNotFound,)
    begun = [begin(some) for some in patterns]
    ended = tasks.results(session, begun, method=_SEARCH, subject=where, expect=missing)
    return {
        file.path: file for each in ended if not isinstance(each, missing) for file in each.file
    }


def _vmdks(patterns: list[str]) -> Any:
    browser = vim.host.DatastoreBrowser
    wanted = browser.VmDiskQuery.Details(diskType=False, capacityKb=True, hardwareVersion=False)
    # Without the file's type the answer is a bare file, which has no capacity.
    shown = browser.FileInfo.Details(
        fileType=True, fileSize=False, modification=False, fileOwner=False
    )
    return browser.SearchSpec(
        query=[browser.VmDiskQuery(details=wanted)], details=shown, matchPattern=patterns
    )
