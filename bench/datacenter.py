"""The crowd's disks in the lab's vCenter: written into its state while it is down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

from bench.bystanders import forget_inventory
from bench.crowd import Disk
from lab import cluster, processes
from lab.facts import Facts
from lab.layout import Layout

_UNITS = (*range(7), *range(8, 16))  # 7 is the controller's own
_DESCRIPTOR = """\
# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=00000000
parentCID=00000000
createType="vmfs"

# Extent description
RW {sectors} VMFS "{name}-flat.vmdk"

# The Disk Data Base
#DDB
"""


def furnish(layout: Layout, known: Facts, disks: list[Disk], mebibytes: int) -> None:
    """Nodes as VMs, disks as files and First Class Disks, attached where their pods run."""
    processes.stop([known.part("vcenter")])
    _write_nodes(layout.vcenter / "config.json", disks)
    _write_files(layout.vcenter / "datastores" / "0", disks, mebibytes)
    _write_catalog(layout.vcenter / "catalog.json", disks, mebibytes)
    forget_inventory(layout)
    cluster.restart(layout, "vcenter")


def _write_nodes(path: Path, disks: list[Disk]) -> None:
    config = json.loads(path.read_text())
    nodes = {disk.node.name: disk.node for disk in disks}
    config["nodes"] += [{"name": node.name, "uuid": node.uuid} for node in nodes.values()]
    path.write_text(json.dumps(config))


def _write_files(store: Path, disks: list[Disk], mebibytes: int) -> None:
    for disk in disks:
        file = store / disk.path.partition("] ")[2]
        file.write_text(_DESCRIPTOR.format(sectors=mebibytes * 2048, name=file.stem))
        file.with_name(f"{file.stem}-flat.vmdk").touch()


def _write_catalog(path: Path, disks: list[Disk], mebibytes: int) -> None:
    catalog = json.loads(path.read_text())
    store = catalog["inventory"]["datastore vsanDatastore"]
    taken: dict[str, int] = {}
    for disk in disks:
        number = taken[disk.node.name] = taken.get(disk.node.name, -1) + 1
        catalog["disks"][disk.id] = _first_class_disk(disk, store, mebibytes)
        devices = catalog["devices"].setdefault(disk.node.uuid, [])
        devices.append(_device(disk, store, mebibytes, number))
    path.write_text(json.dumps(catalog))


def _first_class_disk(disk: Disk, store: Any, mebibytes: int) -> Any:
    return {
        "config": {
            "id": {"id": disk.id},
            "name": disk.claim,
            "createTime": "2026-01-01T00:00:00Z",
            "keepAfterDeleteVm": True,
            "relocationDisabled": False,
            "nativeSnapshotSupported": False,
            "changedBlockTrackingEnabled": False,
            "backing": {
                "_typeName": "BaseConfigInfoDiskFileBackingInfo",
                "datastore": store,
                "filePath": disk.path,
                "backingObjectId": str(uuid4()),
                "provisioningType": "thin",
            },
            "capacityInMB": mebibytes,
            "consumptionType": ["disk"],
        }
    }


def _device(disk: Disk, store: Any, mebibytes: int, number: int) -> Any:
    controller, unit = divmod(number, len(_UNITS))
    return {
        "key": 2000 + number,
        "backing": {
            "_typeName": "VirtualDiskFlatVer2BackingInfo",
            "fileName": disk.path,
            "datastore": store,
            "diskMode": "independent_persistent",
            "thinProvisioned": True,
            "uuid": str(uuid5(NAMESPACE_DNS, disk.path)),
        },
        "controllerKey": 202 + controller,
        "unitNumber": _UNITS[unit],
        "capacityInKB": mebibytes * 1024,
        "capacityInBytes": mebibytes * 1024 * 1024,
        "vDiskId": {"id": disk.id},
    }
