"""Checks of nodes, topology and attachments."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.checks_volumes import csi_topology_keys, driver_on, in_tree_pairs
from csi_migration.decide.preflight import Problem, check
from csi_migration.decide.topology import UnknownTopology, csi_node_affinity
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    CSI_DRIVER,
    IN_TREE_PROVISIONER,
    annotations_of,
    name_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING


_MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins"


@check(
    "topology",
    _BLOCKER,
    "zones and regions of the volumes have CSI topology keys",
    looks_at="zones and regions of every volume; topologyKeys of the CSINodes",
    source="csi-translation-lib: plugins/vsphere_volume.go; "
    "vsphere-csi-driver: csinodetopology_controller.go",
    resolution="Configure the driver's topology categories.",
)
def topology(snapshot: Snapshot) -> Iterator[Problem]:
    """A volume whose zone the driver does not know could be scheduled nowhere."""
    keys = csi_topology_keys(snapshot)
    for _, volume in in_tree_pairs(snapshot):
        try:
            csi_node_affinity(volume, keys)
        except UnknownTopology as error:
            resolution = "Configure the driver's topology categories."
            yield Problem(f"pv/{name_of(volume)}", str(error), resolution)


@check(
    "driver-on-nodes",
    _BLOCKER,
    "the CSI driver runs on every node that runs a replica",
    looks_at="the CSINode of every node that runs a replica",
    source="kubernetes: volume/csimigration; issue 122340",
    resolution="Repair the driver.",
)
def driver_on_nodes(snapshot: Snapshot) -> Iterator[Problem]:
    """Without the driver on its node a replica never starts on a CSI volume."""
    used = {pod["spec"].get("nodeName", "") for pod in snapshot.pods.values()} - {""}
    for node in sorted(used):
        csi_node = snapshot.csi_nodes.get(node)
        if csi_node is None or driver_on(csi_node) is None:
            yield Problem(f"node/{node}", f"{CSI_DRIVER} is not registered", "Repair the driver.")
        elif IN_TREE_PROVISIONER not in annotations_of(csi_node).get(_MIGRATED_PLUGINS, ""):
            yield Problem(
                f"node/{node}",
                "CSI migration of the in-tree vSphere plugin is not on",
                "Turn CSI migration on for this node first.",
            )


@check(
    "attachments",
    _BLOCKER,
    "every attachment of the volumes is healthy",
    looks_at="VolumeAttachments of the replicas' volumes",
    source="external-attacher: csi_handler.go",
    resolution="Repair the attachment first.",
)
def attachments(snapshot: Snapshot) -> Iterator[Problem]:
    """A broken attachment now is a disk that does not come off later."""
    for attachment in snapshot.attachments:
        status = attachment.get("status") or {}
        for field in ("attachError", "detachError"):
            if status.get(field):
                message = f"{field}: {status[field].get('message', '')}"
                subject = f"volumeattachment/{name_of(attachment)}"
                yield Problem(subject, message, "Repair the attachment first.")
