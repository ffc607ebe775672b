"""What an inventory reads, of a cluster with one healthy StatefulSet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from csi_migration.decide.inventory import inventory_of
from csi_migration.decide.inventory_lists import Lists
from csi_migration.model.inventory import Inventory, Verdict
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

Raw = dict[str, Any]


def in_namespace(item: Raw, namespace: str = snapshots.NAMESPACE) -> Raw:
    """The item as the cluster has it: in a namespace."""
    found: Raw = changed(item, "metadata/namespace", namespace)
    return found


def lists(**fields: Any) -> Lists:
    """The lists, but for the fields that are given."""
    whole = healthy()
    made = Lists(
        cluster="https://cluster:6443",
        version=whole.server_version,
        places=("--kubeconfig", "admin.conf"),
        namespace="",
        statefulsets=(whole.statefulset,),
        claims=tuple(whole.claims.values()),
        pods=tuple(whole.pods.values()),
        revisions=tuple(in_namespace(one) for one in whole.revisions.values()),
        budgets=tuple(in_namespace(one) for one in whole.budgets),
        autoscalers=(),
        volumes=whole.volumes,
        classes=whole.classes,
        nodes=whole.nodes or {},
        csi_nodes=whole.csi_nodes,
    )
    return replace(made, **fields)


def many() -> Inventory:
    """One StatefulSet that is ready and one that is not."""
    (row,) = inventory_of(lists()).sets
    blocked = replace(
        row,
        name="a-set-with-a-long-name",
        verdict=Verdict.BLOCKED,
        findings=("set-steady", "replicas-ready", "claim-retention", "disruption-budget"),
    )
    return Inventory("https://cluster:6443", ("standard-rwo",), "standard-rwo", (row, blocked), ())
