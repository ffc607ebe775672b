"""Opens the connections: admin cluster, user cluster, vCenter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from csi_migration.engine.places import Places, workload_client
from csi_migration.engine.systems import Systems
from csi_migration.kube import Client, Forbidden, load, resources
from csi_migration.model.errors import AuthenticationFailed, UsageError
from csi_migration.model.objects import Raw
from csi_migration.vsphere.cns import Cns
from csi_migration.vsphere.credentials import (
    ca_from_secret,
    config_from_secret,
    config_secret_candidates,
    holds_config,
)
from csi_migration.vsphere.csi_config import CsiConfig, VCenter, parse
from csi_migration.vsphere.disks import Disks
from csi_migration.vsphere.errors import ConfigInvalid
from csi_migration.vsphere.session import Session
from csi_migration.vsphere.trust import Trust

_NOT_ALLOWED = "(may not be read)"
_CONTROLLER = "vsphere-csi-controller"
DRIVER_NAMESPACES = (
    "vmware-system-csi",
    "openshift-cluster-csi-drivers",
    "kube-system",
)
"""Where the CSI driver may run."""


@contextmanager
def connected(places: Places) -> Iterator[Systems]:
    """All connections, closed at the end.

    Raises:
        ToolError: a place is wrong, unreachable, or does not let us in.
    """
    client = workload_client(places)
    try:
        config, ca_pem = _configuration(places, client)
        vcenter = config.vcenters[0]
        trust = Trust.of(vcenter, ca_pem)
        with Session.connect(vcenter, trust) as session:
            yield Systems(
                client=client,
                session=session,
                disks=Disks(session, vcenter.datacenters),
                cns=Cns(session),
                vcenters=len(config.vcenters),
                unverified=tuple(filter(None, (trust.warning,))),
                unverified_servers=tuple(_unverified_servers(places, client)),
            )
    finally:
        client.close()


def _unverified_servers(places: Places, client: Client) -> Iterator[str]:
    """The admin cluster's server, too: it hands out the credentials of the user cluster."""
    if places.cluster_name and (admin := load(places.kubeconfig, places.context)).insecure:
        yield admin.server
    if not client.is_verified:
        yield client.server


def _configuration(places: Places, client: Client) -> tuple[CsiConfig, str | None]:
    """The driver's configuration and the PEM text of its authorities, if it has any."""
    if places.vcenter_config:
        config, ca_pem = _parsed(places.vcenter_config), None
        if config.vcenters[0].ca_file and not places.vcenter_ca:
            ca_pem = _text(Path(config.vcenters[0].ca_file))
    else:
        secret = _config_secret(client)
        config = config_from_secret(secret)
        ca_pem = ca_from_secret(secret, config.vcenters[0])
    return _overridden(places, config, ca_pem)


def _parsed(path: Path) -> CsiConfig:
    try:
        return parse(_text(path))
    except ConfigInvalid as error:
        raise ConfigInvalid(f"{path}: {error.message}", details=error.details) from error


def _overridden(
    places: Places, config: CsiConfig, ca_pem: str | None
) -> tuple[CsiConfig, str | None]:
    if places.vcenter_ca:
        ca_pem = _text(places.vcenter_ca)
    first = config.vcenters[0]
    if places.vcenter_thumbprint or places.vcenter_ca:
        first = _trusting(first, places.vcenter_thumbprint)
    return replace(config, vcenters=(first, *config.vcenters[1:])), ca_pem


def _trusting(vcenter: VCenter, thumbprint: str) -> VCenter:
    """What is said on the command line goes before what the configuration says."""
    return replace(vcenter, thumbprint=thumbprint, insecure=False)


def _config_secret(client: Client) -> Raw:
    """The Secret with the driver's configuration, wherever the driver keeps it."""
    tried = []
    for namespace, name in config_secret_candidates(_controller(client)):
        try:
            secret = client.find(resources.SECRETS, name, namespace)
        except Forbidden:
            tried.append(f"{namespace}/{name} {_NOT_ALLOWED}")
            continue
        if secret is not None and holds_config(secret):
            return secret
        why = "(not there)" if secret is None else "(holds no configuration)"
        tried.append(f"{namespace}/{name} {why}")
    if all(each.endswith(_NOT_ALLOWED) for each in tried):
        raise AuthenticationFailed(
            f"the identity may not read the CSI driver's configuration on {client.server}",
            details=f"Secrets tried: {', '.join(tried)}",
            state="Nothing was changed.",
            resolution="Grant what deploy/rbac-user-cluster.yaml grants, or give the driver's "
            "csi-vsphere.conf with --vcenter-config.",
        )
    raise UsageError(
        "the CSI driver's configuration was not found in the cluster",
        details=f"Secrets tried: {', '.join(tried)}",
        state="Nothing was changed.",
        resolution="Give the driver's csi-vsphere.conf with --vcenter-config.",
    )


def _controller(client: Client) -> Raw | None:
    for namespace in DRIVER_NAMESPACES:
        try:
            found = client.find(resources.DEPLOYMENTS, _CONTROLLER, namespace)
        except Forbidden:
            continue  # then the known places must do
        if found is not None:
            return found
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read", details=str(error), resolution="Check the path."
        ) from error
