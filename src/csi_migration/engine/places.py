"""Where the systems are, and the connection to the cluster alone: no vCenter needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from csi_migration.kube import Client, load, user_cluster_connection
from csi_migration.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Places:
    """Where the systems are, as the command line says.

    Attributes:
        kubeconfig: path or list of paths; None for $KUBECONFIG and the default.
        context: a context in it; None for the current one.
        cluster_name: the user cluster; empty when the workload runs in the
            cluster of `kubeconfig` itself.
        cluster_secret: NAMESPACE/NAME/KEY of the user cluster's kubeconfig.
        vcenter_config: a csi-vsphere.conf to use instead of the cluster's own.
        vcenter_ca: a file of PEM certificates that vCenter's must chain to.
        vcenter_thumbprint: the SHA-1 or SHA-256 of vCenter's certificate.
    """

    kubeconfig: str | None = None
    context: str | None = None
    cluster_name: str = ""
    cluster_secret: str | None = None
    vcenter_config: Path | None = None
    vcenter_ca: Path | None = None
    vcenter_thumbprint: str = ""


def workload_client(places: Places) -> Client:
    """A client for the cluster that runs the StatefulSet.

    Raises:
        UsageError: a Secret is named and no user cluster whose kubeconfig it would hold.
    """
    if places.cluster_secret and not places.cluster_name:
        raise UsageError(
            f"--cluster-secret {places.cluster_secret} says where a user cluster's kubeconfig is, "
            "and no user cluster is named.",
            state="Nothing was changed.",
            resolution="Give --cluster-name as well, or leave --cluster-secret out.",
        )
    client = Client(load(places.kubeconfig, places.context))
    if not places.cluster_name:
        return client
    with client:
        return Client(
            user_cluster_connection(client, places.cluster_name, secret=places.cluster_secret)
        )
