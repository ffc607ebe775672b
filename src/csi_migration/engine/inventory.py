"""Lists a whole cluster, once, and keeps of each object only what the checks read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csi_migration.decide.inventory import Lists, inventory_of, is_in_tree
from csi_migration.decide.permissions import INVENTORY
from csi_migration.engine.allowed import refused
from csi_migration.kube import Client, Resource, resources
from csi_migration.model.errors import AuthenticationFailed
from csi_migration.model.inventory import Inventory
from csi_migration.model.objects import CSI_DRIVER, Raw, name_of

_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "deletionTimestamp",
    "generation",
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def take_inventory(
    client: Client, places: tuple[str, ...] = (), namespace: str | None = None
) -> Inventory:
    """Every StatefulSet with in-tree volumes; nothing is changed, vCenter is not asked.

    `places` are the options that say where the cluster is, for the commands to come.

    Raises:
        AuthenticationFailed: something may not be listed.
    """
    _require_permissions(client)
    return inventory_of(_lists(client, places, namespace))


def _lists(client: Client, places: tuple[str, ...], namespace: str | None) -> Lists:
    def listed(resource: Resource, keep: Callable[[Raw], Raw]) -> tuple[Raw, ...]:
        where = namespace if resource.namespaced else None
        return tuple(client.list(resource, where, keep=keep))

    def by_name(resource: Resource, keep: Callable[[Raw], Raw]) -> dict[str, Raw]:
        return {name_of(item): item for item in listed(resource, keep)}

    volumes = by_name(resources.VOLUMES, _slim)
    return Lists(
        cluster=client.server,
        version=client.version(),
        places=places,
        namespace=namespace or "",
        statefulsets=listed(resources.STATEFULSETS, _slim),
        claims=listed(resources.CLAIMS, _slim),
        pods=listed(resources.PODS, _slim_pod),
        revisions=listed(resources.CONTROLLER_REVISIONS, _without_data),
        budgets=listed(resources.DISRUPTION_BUDGETS, _slim),
        autoscalers=listed(resources.AUTOSCALERS, _slim),
        volumes={n: v for n, v in volumes.items() if _is_vsphere(v)},
        classes=by_name(resources.STORAGE_CLASSES, _slim),
        nodes=by_name(resources.NODES, _slim_node),
        csi_nodes=by_name(resources.CSI_NODES, _slim),
    )


def _require_permissions(client: Client) -> None:
    denied = refused(client, INVENTORY, "")
    if denied:
        raise AuthenticationFailed(
            f"the identity may not {', '.join(denied)} in all namespaces on {client.server}",
            state="Nothing was changed.",
            resolution="Grant what deploy/rbac-inventory.yaml grants.",
        )


def _is_vsphere(volume: Raw) -> bool:
    """Other volumes are nobody's business here."""
    is_csi = (volume["spec"].get("csi") or {}).get("driver") == CSI_DRIVER
    return is_in_tree(volume) or is_csi


# What is kept ----------------------------------------------------------------------


def _metadata(item: Raw) -> Raw:
    kept: Raw = {key: item["metadata"][key] for key in _METADATA if key in item["metadata"]}
    annotations = kept.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        kept["annotations"] = {k: v for k, v in annotations.items() if k != _LAST_APPLIED}
    return kept


def _slim(item: Raw) -> Raw:
    return item | {"metadata": _metadata(item)}


def _slim_pod(pod: Raw) -> Raw:
    spec, status = pod["spec"], pod.get("status") or {}
    kept: dict[str, Any] = {
        key: spec[key] for key in ("nodeName", "terminationGracePeriodSeconds") if key in spec
    }
    volumes = [
        volume
        for volume in spec.get("volumes") or []
        if "persistentVolumeClaim" in volume or "vsphereVolume" in volume
    ]
    ready = [c for c in status.get("conditions") or [] if c["type"] == "Ready"]
    return {
        "metadata": _metadata(pod),
        "spec": kept | {"volumes": volumes},
        "status": {"conditions": ready},
    }


def _slim_node(node: Raw) -> Raw:
    ready = [c for c in node["status"].get("conditions") or [] if c["type"] == "Ready"]
    return {
        "metadata": _metadata(node),
        "spec": node["spec"],
        "status": {"conditions": ready},
    }


def _without_data(revision: Raw) -> Raw:
    """Its template is the largest part, and no quick check compares it."""
    return {"metadata": _metadata(revision), "data": {"spec": {"template": {"spec": {}}}}}
