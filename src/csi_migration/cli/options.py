"""Options that several commands share, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_PLACES: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--kubeconfig",
        help="Kubeconfig of the admin cluster, or of the cluster that runs the StatefulSet "
        "[default: $KUBECONFIG]",
    ),
    click.option("--context", help="Context in the kubeconfig [default: its current one]"),
    click.option(
        "--cluster-name",
        default="",
        help="User cluster that runs the StatefulSet; its kubeconfig is read from the admin "
        "cluster [default: the cluster of --kubeconfig itself]",
    ),
    click.option(
        "--cluster-secret",
        metavar="NAMESPACE/NAME/KEY",
        help="Secret that holds the user cluster's kubeconfig "
        "[default: CLUSTER_NAME/admin/admin.conf]",
    ),
    click.option(
        "--vcenter-config",
        type=click.Path(path_type=Path),
        help="The driver's csi-vsphere.conf with vCenter's address and credentials "
        "[default: the cluster's own Secret]",
    ),
    click.option(
        "--vcenter-ca",
        type=click.Path(path_type=Path),
        help="PEM file with the authority of vCenter's certificate",
    ),
    click.option(
        "--vcenter-thumbprint",
        default="",
        help="SHA-1 or SHA-256 of vCenter's certificate",
    ),
)

_STATEFULSET: tuple[Callable[[Any], Any], ...] = (
    click.option("--sts-name", required=True, help="Name of the StatefulSet"),
    click.option("--sts-namespace", required=True, help="Namespace of the StatefulSet"),
    click.option(
        "--intree-storageclass", required=True, help="StorageClass of its in-tree volumes"
    ),
    click.option(
        "--csi-storageclass", required=True, help="StorageClass that its volumes will have"
    ),
    click.option(
        "--window",
        type=click.Choice(["replica", "run"]),
        default="replica",
        show_default=True,
        help="How long the StatefulSet object is away: while a replica is swapped, or for "
        "the whole run",
    ),
)

_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of what is printed",
)


def places(command: Command) -> Command:
    """Add the options that say where the systems are."""
    return _with(command, _PLACES)


def statefulset(command: Command) -> Command:
    """Add the options that name the StatefulSet and its classes."""
    return _with(command, _STATEFULSET)


def output(command: Command) -> Command:
    """Add `-o`."""
    return _with(command, (_OUTPUT,))


def _with(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def request_of(arguments: dict[str, Any]) -> Any:
    """The Request in a command's arguments."""
    from csi_migration.model.plan import Window
    from csi_migration.model.snapshot import Request

    return Request(
        namespace=arguments["sts_namespace"],
        statefulset=arguments["sts_name"],
        intree_class=arguments["intree_storageclass"],
        csi_class=arguments["csi_storageclass"],
        window=Window(arguments["window"]),
    )


def places_of(arguments: dict[str, Any]) -> Any:
    """The Places in a command's arguments."""
    from csi_migration.engine.connect import Places

    return Places(
        kubeconfig=arguments["kubeconfig"],
        context=arguments["context"],
        cluster_name=arguments["cluster_name"],
        cluster_secret=arguments["cluster_secret"],
        vcenter_config=arguments["vcenter_config"],
        vcenter_ca=arguments["vcenter_ca"],
        vcenter_thumbprint=arguments["vcenter_thumbprint"],
    )
