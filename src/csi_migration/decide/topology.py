"""Zones and regions of an in-tree volume in the CSI driver's own words.

The driver names its topology keys after its configuration
(vsphere-csi-driver: csinodetopology_controller.go), so a key counts only when
the nodes' CSINode objects carry it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

from csi_migration.model.objects import Raw, labels_of, name_of

_CSI_PREFIX = "topology.csi.vmware.com/"

_MEANING = {
    "topology.kubernetes.io/zone": "zone",
    "topology.kubernetes.io/region": "region",
    "failure-domain.beta.kubernetes.io/zone": "zone",
    "failure-domain.beta.kubernetes.io/region": "region",
}

TOPOLOGY_LABELS = frozenset(_MEANING)


class UnknownTopology(ValueError):
    """A volume is bound to a zone or region that no CSI topology key stands for."""


def csi_node_affinity(volume: Raw, topology_keys: Collection[str]) -> Raw | None:
    """The volume's nodeAffinity with CSI topology keys; None when it is free.

    A volume with topology labels only gets an affinity made from them
    (csi-translation-lib: plugins/vsphere_volume.go).

    Raises:
        UnknownTopology: no CSI node reports a key for the zone or region.
    """
    affinity = copy.deepcopy(volume["spec"].get("nodeAffinity")) or _from_labels(volume)
    if not affinity:
        return None
    for term in affinity["required"]["nodeSelectorTerms"]:
        for expression in term.get("matchExpressions") or []:
            expression["key"] = _csi_key(expression["key"], topology_keys, name_of(volume))
    return affinity


def _from_labels(volume: Raw) -> Raw | None:
    found = {key: value for key, value in labels_of(volume).items() if key in TOPOLOGY_LABELS}
    by_meaning = {_MEANING[key]: (key, found[key]) for key in sorted(found)}
    if not by_meaning:
        return None
    # In-tree volumes spread over zones join them with "__" in one label value.
    expressions = [
        {"key": key, "operator": "In", "values": value.split("__")}
        for key, value in by_meaning.values()
    ]
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}


def _csi_key(key: str, topology_keys: Collection[str], volume: str) -> str:
    meaning = _MEANING.get(key)
    if meaning is None:
        return key
    for candidate in (f"{_CSI_PREFIX}{meaning}", f"{_CSI_PREFIX}k8s-{meaning}"):
        if candidate in topology_keys:
            return candidate
    # Named after a category of the site's own: openshift-zone, my-zone.
    own = [k for k in topology_keys if k.startswith(_CSI_PREFIX) and k.endswith(f"-{meaning}")]
    if len(own) == 1:
        return own[0]
    raise UnknownTopology(
        f"volume {volume} is bound to a {meaning} by {key}, but the CSI driver reports "
        f"no topology key for it on the nodes (it reports {sorted(topology_keys) or 'none'})"
    )
