"""Nodes, the driver on them, attachments and VMs that are not fit: preflight names exactly
that. All on one healthy set, which is left as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from lab.client import Object
from lab.objects import CSI_DRIVER, DRIVER_NAMESPACE
from lab.waiting import until
from tests.lab.interruptkit import paused
from tests.lab.labkit import Trial
from tests.lab.misfitkit import (
    Misfit,
    Plant,
    assert_named,
    misfit,
    on_volume,
    patched,
)

NODE, CSI_NODE, ATTACHMENT = "Node", "CSINode", "VolumeAttachment"
ZONE = "topology.kubernetes.io/zone"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
POD = "web-0"
FEATURE_STATES = "internal-feature-states.csi.vsphere.vmware.com"


def node_of(made: Trial) -> str:
    return str(made.pods()[POD]["spec"]["nodeName"])


def on_node(patch: Object, undo: Object, kind: str = NODE) -> Plant:
    """A patch of the replica's node (or its CSINode), known only once it stands."""

    def plant(made: Trial) -> AbstractContextManager[None]:
        return patched(kind, node_of(made), patch, undo)(made)

    return plant


@contextmanager
def not_ready(made: Trial) -> Iterator[None]:
    """As its kubelet says, which says nothing else meanwhile."""
    name = node_of(made)
    before = made.cluster.get(NODE, name)["status"]["conditions"]
    after = [one | ({"status": "False"} if one["type"] == "Ready" else {}) for one in before]
    with paused(made.lab, f"kubelet-{made.where}"):
        made.cluster.patch(NODE, name, {"status": {"conditions": after}}, subresource="status")
        try:
            yield
        finally:
            undo = {"status": {"conditions": before}}
            made.cluster.patch(NODE, name, undo, subresource="status")
    until("no taint left", lambda: not made.cluster.get(NODE, name)["spec"].get("taints"))


def registered_as(change: Callable[[Object], list[Object]], *, everywhere: bool = False) -> Plant:
    """The driver registered otherwise: on the replica's node, or on all."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        nodes = [one["metadata"]["name"] for one in made.cluster.list(NODE)]
        before = {
            name: made.cluster.get(CSI_NODE, name)["spec"]["drivers"]
            for name in (nodes if everywhere else [node_of(made)])
        }
        try:
            for name, (driver,) in before.items():
                register(made, name, change(copy.deepcopy(driver)))
            yield
        finally:
            for name, drivers in before.items():
                register(made, name, drivers)

    return plant


def register(made: Trial, node: str, drivers: list[Object]) -> None:
    """A driver that is registered can't change: it goes, and comes anew."""
    for each in ([], drivers):
        made.cluster.patch(CSI_NODE, node, {"spec": {"drivers": each}})


def absent(_: Object) -> list[Object]:
    return []


def without_topology(driver: Object) -> list[Object]:
    return [driver | {"topologyKeys": None}]


def full(driver: Object) -> list[Object]:
    return [driver | {"allocatable": {"count": 1}}]


@contextmanager
def no_csi_driver(made: Trial) -> Iterator[None]:
    with csi_driver_replaced(made, None):
        yield


@contextmanager
def unattached(made: Trial) -> Iterator[None]:
    """An attachRequired can't be changed: the object is made anew."""
    with csi_driver_replaced(made, {"attachRequired": False}):
        yield


@contextmanager
def csi_driver_replaced(made: Trial, fields: Object | None) -> Iterator[None]:
    found = made.cluster.get("CSIDriver", CSI_DRIVER)
    before = {key: found[key] for key in ("apiVersion", "kind", "spec")}
    before["metadata"] = {"name": CSI_DRIVER}
    made.cluster.delete("CSIDriver", CSI_DRIVER)
    try:
        if fields is not None:
            made.cluster.create(before | {"spec": before["spec"] | fields})
        yield
    finally:
        if fields is not None:
            made.cluster.delete("CSIDriver", CSI_DRIVER)
        made.cluster.create(before)


@contextmanager
def all_dedicated(made: Trial) -> Iterator[None]:
    """Every node is for pods of another kind; those that are there stay."""
    taint = {"key": "dedicated", "value": "other", "effect": "NoSchedule"}
    nodes = [one["metadata"]["name"] for one in made.cluster.list(NODE)]
    try:
        for node in nodes:
            made.cluster.patch(NODE, node, {"spec": {"taints": [taint]}})
        yield
    finally:
        for node in nodes:
            made.cluster.patch(NODE, node, {"spec": {"taints": None}})


@contextmanager
def keeping_volumes(made: Trial) -> Iterator[None]:
    """The driver does not let go of volumes; the lab's has no such features and no ConfigMap."""
    metadata = {"name": FEATURE_STATES, "namespace": DRIVER_NAMESPACE}
    data = {"improved-volume-visibility": "true"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    made.cluster.create(body)
    try:
        yield
    finally:
        made.cluster.delete("ConfigMap", FEATURE_STATES, DRIVER_NAMESPACE)


def attachment_of(made: Trial) -> Object:
    """The VolumeAttachment of the replica's volume."""
    volume = made.volumes()[f"data-{POD}"]["metadata"]["name"]
    (found,) = [
        one
        for one in made.cluster.list(ATTACHMENT)
        if one["spec"]["source"].get("persistentVolumeName") == volume
    ]
    return found


@contextmanager
def attach_error(made: Trial) -> Iterator[None]:
    """The attacher could not attach it again, and says so."""
    name = attachment_of(made)["metadata"]["name"]
    with paused(made.lab, f"external-attacher-{made.where}"):
        made.cluster.patch(ATTACHMENT, name, said("the disk is locked"), subresource="status")
        try:
            yield
        finally:
            made.cluster.patch(ATTACHMENT, name, said(None), subresource="status")


def said(message: str | None) -> Object:
    return {"status": {"attachError": message and {"message": message}}}


@contextmanager
def second_node(made: Trial) -> Iterator[None]:
    """Somebody wants the volume on another node; the attacher has not answered yet."""
    first = attachment_of(made)
    nodes = {one["metadata"]["name"] for one in made.cluster.list(NODE)}
    other = min(nodes - {first["spec"]["nodeName"]})
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": ATTACHMENT,
        "metadata": {"name": "by-hand"},
        "spec": first["spec"] | {"nodeName": other},
    }
    with paused(made.lab, f"external-attacher-{made.where}"):
        made.cluster.create(body)
        try:
            yield
        finally:
            made.cluster.delete(ATTACHMENT, "by-hand")


def in_zone(zone: str) -> Plant:
    """The volume says that it lies in a zone."""
    undo: Object = {"metadata": {"labels": {ZONE: None}}}
    return on_volume(f"data-{POD}", {"metadata": {"labels": {ZONE: zone}}}, undo)


@contextmanager
def zone_without_key(made: Trial) -> Iterator[None]:
    """The driver was installed without topology, and the volume has a zone."""
    with registered_as(without_topology, everywhere=True)(made), in_zone("zone-a")(made):
        yield


LEAVING = {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}

MISFITS = [
    misfit(
        "nodes-staying cordoned",
        on_node({"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}),
    ),
    misfit(
        "nodes-staying taint of the autoscaler",
        on_node({"spec": {"taints": [LEAVING]}}, {"spec": {"taints": None}}),
    ),
    misfit("nodes-ready", not_ready),
    misfit("driver-on-nodes not registered", registered_as(absent)),
    misfit(
        "driver-on-nodes without migration",
        on_node(
            {"metadata": {"annotations": {MIGRATED: None}}},
            {"metadata": {"annotations": {MIGRATED: "kubernetes.io/vsphere-volume"}}},
            CSI_NODE,
        ),
    ),
    misfit("csi-driver missing", no_csi_driver),
    misfit("csi-driver attachRequired", unattached),
    misfit("driver-lets-go not", keeping_volumes),
    misfit("topology zone without key", zone_without_key),
    misfit("volume-reach zone of no node", in_zone("zone-z")),
    misfit("volume-reach every node tainted", all_dedicated),
    misfit("attach-limit", registered_as(full)),
    misfit("attachments attachError", attach_error),
    misfit("attachments-here second node", second_node),
]


@pytest.mark.parametrize("each", MISFITS, ids=lambda each: each.name)
def test_preflight_names_exactly_the_misfit(healthy: Trial, usual: set[str], each: Misfit) -> None:
    assert_named(healthy, each, usual)
