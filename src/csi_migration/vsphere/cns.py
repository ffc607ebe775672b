"""Cloud Native Storage: which volumes the driver can attach. Reads only."""

from __future__ import annotations

from typing import Any, TypedDict

from csi_migration.vsphere._bindings import vim
from csi_migration.vsphere.session import Session


class CnsVolume(TypedDict):
    """A volume as CNS has it registered.

    `cluster` is the id of the container cluster that owns it; empty if none.
    """

    id: str
    name: str
    cluster: str
    datastore_url: str


class Cns:
    """CNS of one vCenter."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def registered(self, disk_id: str) -> bool:
        """Whether the FCD of that id is a CNS volume, so that it can be attached."""
        return self.volume(disk_id) is not None

    def volume(self, disk_id: str) -> CnsVolume | None:
        """The CNS volume of that FCD id, or None if CNS has it not registered."""
        wanted = vim.cns.QueryFilter(volumeIds=[vim.cns.VolumeId(id=disk_id)])
        found = self._session.read(
            lambda: self._session.cns.Query(wanted), method="CnsQueryVolume", subject=disk_id
        )
        # The answer is compared, in case a server took no notice of the filter.
        named = (each for each in found.volumes if each.volumeId.id == disk_id)
        return next(map(_volume, named), None)


def _volume(volume: Any) -> CnsVolume:
    metadata = volume.metadata
    cluster = metadata.containerCluster if metadata else None
    return CnsVolume(
        id=volume.volumeId.id,
        name=volume.name or "",
        cluster=cluster.clusterId if cluster else "",
        datastore_url=volume.datastoreUrl or "",
    )
