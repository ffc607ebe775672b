"""The open connections that a run works with."""

from __future__ import annotations

from dataclasses import dataclass

from csi_migration.kube import Client
from csi_migration.vsphere.cns import Cns
from csi_migration.vsphere.disks import Disks
from csi_migration.vsphere.session import Session


@dataclass(frozen=True, slots=True)
class Systems:
    """The cluster that runs the StatefulSet, and its vCenter.

    `vcenters` is how many vCenters the driver's configuration names;
    `unverified` tells in words which certificates nobody verifies.
    """

    client: Client
    session: Session
    disks: Disks
    cns: Cns
    vcenters: int = 1
    unverified: tuple[str, ...] = ()
