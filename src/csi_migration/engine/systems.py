"""The open connections that a run works with."""

from __future__ import annotations

from dataclasses import dataclass

from csi_migration.kube import Client, resources
from csi_migration.model.objects import uid_of
from csi_migration.vsphere.cns import Cns
from csi_migration.vsphere.disks import Disks
from csi_migration.vsphere.session import Session


@dataclass(frozen=True, slots=True)
class Systems:
    """The cluster that runs the StatefulSet, and its vCenter.

    `vcenters` is how many vCenters the driver's configuration names;
    `unverified` tells in words that nobody verifies vCenter's certificate,
    `unverified_servers` are the URLs of the API servers of which that is true.
    """

    client: Client
    session: Session
    disks: Disks
    cns: Cns
    vcenters: int = 1
    unverified: tuple[str, ...] = ()
    unverified_servers: tuple[str, ...] = ()

    def cluster_uid(self) -> str:
        """What tells this cluster from every other one: the uid of its kube-system.

        Raises:
            KubernetesError: it could not be read.
        """
        return uid_of(self.client.get(resources.NAMESPACES, "kube-system"))
