"""The state of datastores, and the datastore clusters that they are in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from csi_migration.vsphere._bindings import moid, vim
from csi_migration.vsphere.inventory import properties, properties_of_all
from csi_migration.vsphere.session import Session

_AUTOMATED = "automated"


@dataclass(frozen=True, slots=True)
class DatastoreState:
    """How a datastore is at this moment.

    Attributes:
        name: its name in vCenter.
        is_accessible: whether vCenter reaches it through any host.
        maintenance: `normal`, `enteringMaintenance` or `inMaintenance`.
        pod: managed object id of the datastore cluster (`group-p12`) that it is in, if any.
    """

    name: str
    is_accessible: bool
    maintenance: str
    pod: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A datastore cluster; `is_automated` tells whether Storage DRS moves disks by itself."""

    name: str
    is_automated: bool


def states(session: Session, ids: Collection[str]) -> dict[str, DatastoreState]:
    """The state of these datastores, by managed object id: one call.

    Raises:
        VSphereError: they can't be read.
    """
    stores = [session.managed(vim.Datastore, each) for each in sorted(ids)]
    found = properties_of_all(session, stores, ["summary", "parent"])
    return {each.id: _state(each.values) for each in found}


def pods(session: Session) -> dict[str, Pod]:
    """Every datastore cluster that the user can see, by managed object id: one walk."""
    found = properties(session, vim.StoragePod, ["name", "podStorageDrsEntry"])
    return {
        each.id: Pod(str(each.values.get("name") or each.id), _is_automated(entry))
        for each in found
        if (entry := each.values.get("podStorageDrsEntry")) is not None
    }


def _state(values: dict[str, Any]) -> DatastoreState:
    summary, parent = values["summary"], values.get("parent")
    return DatastoreState(
        name=summary.name,
        is_accessible=bool(summary.accessible),
        maintenance=summary.maintenanceMode or "",
        pod=moid(parent) if isinstance(parent, vim.StoragePod) else "",
    )


def _is_automated(entry: Any) -> bool:
    config = entry.storageDrsConfig.podConfig
    return bool(config.enabled) and config.defaultVmBehavior == _AUTOMATED
