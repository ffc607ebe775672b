"""Lists a whole cluster, once, and keeps of each object only what the checks read."""

from __future__ import annotations

from collections.abc import Callable

from csi_migration.decide.inventory import inventory_of
from csi_migration.decide.inventory_lists import Lists
from csi_migration.decide.permissions import INVENTORY, INVENTORY_COMPLETING
from csi_migration.engine.allowed import refused
from csi_migration.engine.backup_maps import MANAGED_BY, set_of_first
from csi_migration.engine.inventory_keeping import (
    Sharing,
    metadata_alone,
    slim,
    slim_node,
    slim_pod,
    slim_volume,
    without_data,
)
from csi_migration.kube import Client, Resource, resources
from csi_migration.model.errors import AuthenticationFailed
from csi_migration.model.inventory import Inventory
from csi_migration.model.objects import CSI_DRIVER, Raw, by_name, is_in_tree


def take_inventory(
    client: Client, places: tuple[str, ...] = (), namespace: str | None = None
) -> Inventory:
    """Every StatefulSet with in-tree volumes; nothing is changed, vCenter is not asked.

    `places` are the options that say where the cluster is, for the commands to come.

    Raises:
        AuthenticationFailed: something may not be listed.
    """
    _require_permissions(client, namespace or "")
    return inventory_of(_lists(client, places, namespace))


def _lists(client: Client, places: tuple[str, ...], namespace: str | None) -> Lists:
    sharing = Sharing()

    def listed(resource: Resource, keep: Callable[[Raw], Raw]) -> tuple[Raw, ...]:
        where = resource.namespace_in(namespace)
        found = client.list(resource, where, keep=lambda item: sharing.shared(keep(item)))
        return tuple(found)

    volumes = by_name(listed(resources.VOLUMES, slim_volume))
    return Lists(
        cluster=client.server,
        version=client.version(),
        places=places,
        namespace=namespace or "",
        statefulsets=listed(resources.STATEFULSETS, slim),
        claims=listed(resources.CLAIMS, slim),
        pods=listed(resources.PODS, slim_pod),
        revisions=listed(resources.CONTROLLER_REVISIONS, without_data),
        budgets=listed(resources.DISRUPTION_BUDGETS, slim),
        autoscalers=listed(resources.AUTOSCALERS, slim),
        volumes={n: v for n, v in volumes.items() if _is_vsphere(v)},
        classes=by_name(listed(resources.STORAGE_CLASSES, slim)),
        nodes=by_name(listed(resources.NODES, slim_node)),
        csi_nodes=by_name(listed(resources.CSI_NODES, slim)),
        unended=_unended(client, namespace),
    )


def _unended(client: Client, namespace: str | None) -> frozenset[tuple[str, str]] | None:
    """Namespace and name of the sets whose migration has not ended, by their backups.

    None without the right to see these.
    """
    if refused(client, INVENTORY_COMPLETING, namespace or ""):
        return None
    found = client.list(resources.CONFIG_MAPS, namespace, labels=MANAGED_BY, keep=metadata_alone)
    named = ((item["metadata"]["namespace"], set_of_first(item)) for item in found)
    return frozenset(each for each in named if each[1])


def _require_permissions(client: Client, namespace: str) -> None:
    denied = refused(client, INVENTORY, namespace)
    if denied:
        where = f"in namespace {namespace} and of the cluster" if namespace else "in all namespaces"
        raise AuthenticationFailed(
            f"the identity may not {', '.join(denied)} {where} on {client.server}",
            state="Nothing was changed.",
            resolution="Grant what deploy/rbac-inventory.yaml grants"
            + ("; a Role will do for what is namespaced." if namespace else "."),
        )


def _is_vsphere(volume: Raw) -> bool:
    """Other volumes are nobody's business here."""
    is_csi = (volume["spec"].get("csi") or {}).get("driver") == CSI_DRIVER
    return is_in_tree(volume) or is_csi
