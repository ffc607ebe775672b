"""Checks of nodes, topology and attachments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from csi_migration.decide.checks_volumes import (
    claims_by_ordinal,
    csi_topology_keys,
    driver_on,
    in_tree_pairs,
)
from csi_migration.decide.preflight import Problem, check, unknown
from csi_migration.decide.selectors import node_fits
from csi_migration.decide.taints import shut_by
from csi_migration.decide.topology import UnknownTopology, csi_node_affinity
from csi_migration.model.finding import Severity
from csi_migration.model.objects import (
    CSI_DRIVER,
    FEATURE_STATES,
    IN_TREE_PROVISIONER,
    Raw,
    annotations_of,
    is_terminating,
    labels_of,
    name_of,
)
from csi_migration.model.snapshot import Snapshot

_BLOCKER = Severity.BLOCKER
_WARNING = Severity.WARNING
_MIGRATED_PLUGINS = "storage.alpha.kubernetes.io/migrated-plugins"
_KEEPS_VOLUMES = "improved-volume-visibility"
# What the driver takes for true (Go: strconv.ParseBool).
_ON = frozenset({"1", "t", "T", "true", "TRUE", "True"})
# Put on nodes that are about to go, by autoscalers and the cloud's own controllers.
_LEAVING = frozenset(
    {
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
        "node.cloudprovider.kubernetes.io/shutdown",
        "node.kubernetes.io/out-of-service",
    }
)
_SHOWN = 3


def used_nodes(snapshot: Snapshot) -> list[str]:
    """Names of the nodes that run a replica."""
    return sorted({pod["spec"].get("nodeName", "") for pod in snapshot.pods.values()} - {""})


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
            yield Problem(f"pv/{name_of(volume)}", str(error))


@check(
    "volume-reach",
    _BLOCKER,
    "every volume to come can be used on a node that takes pods",
    looks_at="the nodeAffinity of every volume to come; labels, unschedulable and taints of all "
    "nodes; nodeSelector, nodeAffinity and tolerations of the pod template, the pods' tolerations",
    source="component-helpers: storage/volume.CheckNodeAffinity; kubernetes: scheduler plugins "
    "nodeunschedulable and tainttoleration",
    resolution="Uncordon a node of that zone, take its taint off, have the pods tolerate it, or "
    "correct the zone's labels.",
)
def volume_reach(snapshot: Snapshot) -> Iterator[Problem]:
    """The pod comes back without a node and is scheduled anew: where its volumes can be."""
    if snapshot.nodes is None:
        yield unknown("nodes", "the nodes can't be listed", "Grant list nodes.")
        return
    shut = _shut_nodes(snapshot)
    open_nodes = [
        node
        for name, node in snapshot.nodes.items()
        if not shut[name] and _is_wanted(snapshot.statefulset, labels_of(node))
    ]
    keys = csi_topology_keys(snapshot)
    for _, volume in in_tree_pairs(snapshot):
        try:
            affinity = csi_node_affinity(volume, keys)
        except UnknownTopology:
            continue  # the check `topology` says so
        if not any(node_fits(affinity, labels_of(node)) for node in open_nodes):
            fitting = (
                n for n, one in snapshot.nodes.items() if node_fits(affinity, labels_of(one))
            )
            named = [f"{name}: {shut[name]}" for name in sorted(fitting)]
            yield Problem(f"pv/{name_of(volume)}", _out_of_reach(named))


def _is_wanted(statefulset: Raw, labels: dict[str, str]) -> bool:
    """Whether the pod template's own nodeSelector and required nodeAffinity allow the node."""
    spec = statefulset["spec"]["template"]["spec"]
    selected = (spec.get("nodeSelector") or {}).items() <= labels.items()
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return selected and node_fits({"required": required} if required else None, labels)


def _out_of_reach(shut: list[str]) -> str:
    if not shut:
        return "no node fits its topology"
    more = f" and {len(shut) - _SHOWN} more" if len(shut) > _SHOWN else ""
    return f"no node that fits its topology takes its pod ({', '.join(shut[:_SHOWN])}{more})"


def _shut_nodes(snapshot: Snapshot) -> dict[str, str]:
    """Why each node takes none of the set's pods; empty for one that does.

    A pod has what admission added to its template's tolerations, and gets it again.
    """
    specs = [snapshot.statefulset["spec"]["template"]["spec"]]
    specs += [pod["spec"] for pod in snapshot.pods.values()]
    tolerations = {repr(one): one for spec in specs for one in spec.get("tolerations") or []}
    return {
        name: shut_by(node, tolerations.values()) for name, node in (snapshot.nodes or {}).items()
    }


@check(
    "driver-on-nodes",
    _BLOCKER,
    "the CSI driver runs on every node that runs a replica",
    looks_at="the CSINode of every node that runs a replica",
    source="kubernetes: volume/csimigration; issue 122340",
    resolution="Repair the driver on this node.",
)
def driver_on_nodes(snapshot: Snapshot) -> Iterator[Problem]:
    """Without the driver on its node a replica never starts on a CSI volume."""
    for node in used_nodes(snapshot):
        csi_node = snapshot.csi_nodes.get(node)
        if csi_node is None or driver_on(csi_node) is None:
            yield Problem(f"node/{node}", f"{CSI_DRIVER} is not registered")
        elif IN_TREE_PROVISIONER not in annotations_of(csi_node).get(_MIGRATED_PLUGINS, ""):
            yield Problem(
                f"node/{node}",
                "CSI migration of the in-tree vSphere plugin is not on",
                "Turn CSI migration on for this node first.",
            )


@check(
    "driver-everywhere",
    _WARNING,
    "the CSI driver runs on every node that takes the set's pods",
    looks_at="all nodes and CSINodes; the tolerations of the pod template and the pods",
    source="kubernetes: nodevolumelimits/csi.go: a node without CSINode limits nothing",
    resolution="Repair the driver there, or cordon the node for the migration.",
)
def driver_everywhere(snapshot: Snapshot) -> Iterator[Problem]:
    """A pod that comes back on a node without the driver waits there for its volume."""
    used = set(used_nodes(snapshot))
    for name, shut in sorted(_shut_nodes(snapshot).items()):
        csi_node = snapshot.csi_nodes.get(name)
        if name not in used and not shut and (not csi_node or driver_on(csi_node) is None):
            yield Problem(f"node/{name}", f"{CSI_DRIVER} is not registered")


@check(
    "csi-driver",
    _BLOCKER,
    "the CSI driver's CSIDriver object says that volumes are attached",
    looks_at="CSIDriver csi.vsphere.vmware.com",
    source="kubernetes: volume/csi/csi_plugin.go:skipAttach",
    resolution="Install the driver's manifests again.",
)
def csi_driver(snapshot: Snapshot) -> Iterator[Problem]:
    """Without attachRequired nothing attaches the disk before it is mounted."""
    if snapshot.csi_drivers is None:
        yield unknown(f"csidriver/{CSI_DRIVER}", "it can't be seen", "Grant list csidrivers.")
        return
    found = snapshot.csi_drivers.get(CSI_DRIVER)
    if found is None:
        yield Problem(f"csidriver/{CSI_DRIVER}", "it does not exist")
    elif found["spec"].get("attachRequired") is False:
        yield Problem(f"csidriver/{CSI_DRIVER}", "its attachRequired is false")


@check(
    "driver-lets-go",
    _BLOCKER,
    "the CSI driver takes a volume out of Cloud Native Storage when its PersistentVolume is gone",
    looks_at="improved-volume-visibility in the driver's ConfigMap "
    "internal-feature-states.csi.vsphere.vmware.com, if it is there",
    source="vsphere-csi-driver after release-3.8: syncer/metadatasyncer.go:csiPVDeleted",
    resolution='Set it to "false" there until the migration has ended.',
)
def driver_lets_go(snapshot: Snapshot) -> Iterator[Problem]:
    """With this feature the driver keeps the old volume's entry and only marks it pv_missing. A
    swap waits until the entry is gone, so a replica would stay away, forwards and back. No
    release branch of the driver up to 3.8 has the feature.
    """
    if snapshot.driver_features is None:
        where = f"configmap/{FEATURE_STATES}"
        yield unknown(where, "it can't be seen", "Grant get configmaps for it.")
        return
    for namespace, states in snapshot.driver_features.items():
        state = (states.get("data") or {}).get(_KEEPS_VOLUMES, "")
        if state in _ON:
            message = f'{_KEEPS_VOLUMES} is "{state}" in namespace {namespace}'
            yield Problem(f"configmap/{FEATURE_STATES}", f"{message}: old volumes are never let go")


@check(
    "nodes-ready",
    _BLOCKER,
    "every node that runs a replica is Ready",
    looks_at="the Ready condition of the replicas' nodes",
    source="kubernetes: nodelifecycle; attachdetach: a node that is not Ready detaches late",
    resolution="Repair the node, or let its pods move.",
)
def nodes_ready(snapshot: Snapshot) -> Iterator[Problem]:
    """A kubelet that is away neither ends the pod nor lets its disk go."""
    for name in used_nodes(snapshot):
        node = (snapshot.nodes or {}).get(name)
        if node is not None and not _is_ready(node):
            yield Problem(f"node/{name}", "it is not Ready")
        elif node is None:
            yield unknown(f"node/{name}", "it can't be seen", "Grant list nodes.")


def _is_ready(node: Raw) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@check(
    "nodes-staying",
    _WARNING,
    "no node that runs a replica is about to leave",
    looks_at="unschedulable, taints and deletionTimestamp of the replicas' nodes",
    source="kubernetes: kubectl drain; cluster-autoscaler: taints",
    resolution="Wait until the maintenance is over.",
)
def nodes_staying(snapshot: Snapshot) -> Iterator[Problem]:
    """A replica comes back on another node, and a drain takes others at the same time."""
    for name in used_nodes(snapshot):
        node = (snapshot.nodes or {}).get(name)
        if node is None:
            continue
        taints = {taint["key"] for taint in node["spec"].get("taints") or []}
        if leaving := sorted(taints & _LEAVING):
            yield Problem(f"node/{name}", f"it is about to go: taint {', '.join(leaving)}")
        elif node["spec"].get("unschedulable") or is_terminating(node):
            yield Problem(f"node/{name}", "it is cordoned: its replicas come back elsewhere")


@check(
    "attach-limit",
    _WARNING,
    "every node that runs a replica has room for its volumes",
    looks_at="allocatable.count of the CSINodes and the attachments on each node",
    source="kubernetes: nodevolumelimits/csi.go; vsphere-csi-driver: 59 volumes a node",
    resolution="Leave one volume's room on the node, or another node that fits.",
)
def attach_limit(snapshot: Snapshot) -> Iterator[Problem]:
    """In-tree and CSI volumes count alike, so a swap needs no more; on a full node another
    pod may take the room while the replica is away.
    """
    used = Counter(
        one["spec"].get("nodeName")
        for one in snapshot.all_attachments
        if one["spec"].get("attacher") == CSI_DRIVER
    )
    for name in used_nodes(snapshot):
        driver = driver_on(snapshot.csi_nodes[name]) if name in snapshot.csi_nodes else None
        limit = ((driver or {}).get("allocatable") or {}).get("count")
        if limit is not None and used[name] >= limit:
            yield Problem(f"node/{name}", f"it has {used[name]} of {limit} volumes attached")


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
                yield Problem(f"volumeattachment/{name_of(attachment)}", message)


@check(
    "attachments-here",
    _BLOCKER,
    "every volume is attached to its replica's node and to no other",
    looks_at="VolumeAttachments of the replicas' volumes; the pods' nodes",
    source="kubernetes: attachdetach/reconciler",
    resolution="Wait until the attachments have settled; see who holds the other one.",
)
def attachments_here(snapshot: Snapshot) -> Iterator[Problem]:
    """A second attachment holds the disk after the pod has gone, and the swap waits for it."""
    nodes_of: dict[str, set[str]] = {}
    for one in snapshot.attachments:
        volume = one["spec"]["source"].get("persistentVolumeName", "")
        nodes_of.setdefault(volume, set()).add(one["spec"].get("nodeName", ""))
    for ordinal, volume in _volumes_by_ordinal(snapshot):
        here = snapshot.pods[ordinal]["spec"].get("nodeName", "")
        if others := sorted(nodes_of.get(volume, set()) - {here}):
            yield Problem(f"pv/{volume}", f"it is attached to {', '.join(others)}, not to {here}")


def _volumes_by_ordinal(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    for ordinal, name in claims_by_ordinal(snapshot):
        volume = snapshot.claims.get(name, {}).get("spec", {}).get("volumeName")
        if volume and ordinal in snapshot.pods:
            yield ordinal, volume
