"""Nodes that take no pods of the set, and nodes whose VMs were not found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import blockers, findings
from csi_migration.decide.taints import tolerates
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import Snapshot
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

BLOCKER, ACCEPT = Severity.BLOCKER, Severity.NEEDS_ACCEPTANCE
WARNING = Severity.WARNING
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
TEMPLATE = "statefulset/spec/template/spec/tolerations"
OF_MACHINES = {
    "machine-hardware",
    "machine-disk-uuid",
    "machine-snapshots",
    "changed-blocks",
    "disks-held-here",
}


def told(snapshot: Snapshot, *only: str) -> list[Finding]:
    return [f for f in findings(snapshot, only=only) if f.severity is not Severity.PASSED]


def reach(snapshot: Snapshot) -> list[Finding]:
    return told(snapshot, "volume-reach")


def tainted(*taints: dict[str, str]) -> Snapshot:
    found: Snapshot = changed(healthy(), "nodes/node-1/spec/taints", list(taints))
    return found


def beside(snapshot: Snapshot, **spec: Any) -> Snapshot:
    """With another node of the same zone."""
    nodes = (snapshot.nodes or {}) | {"node-2": snapshots.node("node-2", **spec)}
    return replace(snapshot, nodes=nodes)


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_zone_whose_only_node_is_tainted_blocks_and_is_told_with_the_taint(effect: str) -> None:
    found = reach(tainted(TAINT | {"effect": effect}))

    assert {f.severity for f in found} == {BLOCKER}
    assert len(found) == 2
    assert all(f"node-1: taint dedicated=db:{effect}" in f.message for f in found)


def test_a_cordoned_and_a_tainted_node_are_no_way_back_together() -> None:
    cordoned = changed(healthy(), "nodes/node-1/spec/unschedulable", True)
    (found, _) = reach(beside(cordoned, taints=[TAINT]))

    assert "node-1: cordoned, node-2: taint dedicated=db:NoSchedule" in found.message


def test_another_node_within_the_volumes_topology_is_a_way_back() -> None:
    assert reach(beside(tainted(TAINT))) == []


def test_another_node_of_another_zone_is_none() -> None:
    zoned = changed(
        tainted(TAINT), "volumes/pvc-0/metadata/labels", {"topology.kubernetes.io/zone": "a"}
    )
    labels = {"topology.csi.vmware.com/zone": "b"}
    other = changed(snapshots.node("node-2"), "metadata/labels", labels)
    (found,) = reach(replace(zoned, nodes=(zoned.nodes or {}) | {"node-2": other}))

    assert found.subject == "pv/pvc-0"


def test_a_taint_that_only_advises_is_no_matter() -> None:
    assert reach(tainted(TAINT | {"effect": "PreferNoSchedule"})) == []


@pytest.mark.parametrize("at", [TEMPLATE, "pods/0/spec/tolerations"])
def test_what_the_template_or_a_pod_tolerates_shuts_nothing(at: str) -> None:
    tolerated = changed(tainted(TAINT), at, [{"key": "dedicated", "operator": "Exists"}])
    assert reach(tolerated) == []


def test_a_pod_that_tolerates_every_taint_comes_back_on_a_cordoned_node() -> None:
    cordoned = changed(healthy(), "nodes/node-1/spec/unschedulable", True)
    assert len(reach(cordoned)) == 2
    assert reach(changed(cordoned, TEMPLATE, [{"operator": "Exists"}])) == []


def test_a_tainted_node_that_the_pods_tolerate_needs_the_driver_as_well() -> None:
    dedicated = beside(healthy(), taints=[TAINT])
    tolerating = changed(dedicated, TEMPLATE, [{"key": "dedicated", "operator": "Exists"}])

    assert told(dedicated, "driver-everywhere") == []
    assert [f.subject for f in told(tolerating, "driver-everywhere")] == ["node/node-2"]


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"key": "dedicated", "operator": "Equal", "value": "db"}, True),
        ({"key": "dedicated", "value": "db"}, True),
        ({"key": "dedicated", "value": "web"}, False),
        ({"key": "dedicated"}, False),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_toleration_covers_what_the_scheduler_says(
    toleration: dict[str, str], covers: bool
) -> None:
    assert tolerates(toleration, TAINT) == covers


UUID = "vsphere://4201A0B1-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("change", "message", "resolution"),
    [
        (("nodes/node-1/spec/providerID", UUID), "uuid 4201a0b1-0000", "read rights, propagating"),
        (("nodes/node-1/spec/providerID", ""), "no providerID vsphere://UUID", "its providerID"),
        (("nodes", {}), "the node can't be seen", "Grant list nodes."),
        (("nodes", None), "the node can't be seen", "Grant list nodes."),
    ],
)
def test_a_node_whose_vm_was_not_found_needs_acceptance_and_says_why(
    change: tuple[str, Any], message: str, resolution: str
) -> None:
    (found,) = told(replace(changed(healthy(), *change), machines={}), "machines-found")

    assert (found.severity, found.known, found.subject) == (ACCEPT, False, "node/node-1")
    assert message in found.message
    assert resolution in found.resolution


def test_no_check_of_the_nodes_vms_passes_without_having_seen_one() -> None:
    found = told(replace(healthy(), machines={}))

    assert {f.id for f in found} == OF_MACHINES | {"machines-found"}
    assert not any(f.known for f in found)
    others = [f for f in found if f.id in OF_MACHINES]
    assert {(f.severity, f.subject) for f in others} == {(WARNING, "nodes")}
    assert all("no VM of node-1 was found" in f.message for f in others)


def test_one_acceptance_is_enough_for_a_node_whose_vm_was_not_found() -> None:
    request = replace(healthy().request, accepted=frozenset({"machines-found"}))
    assert blockers(findings(replace(healthy(), machines={}))) != ()
    assert blockers(findings(replace(healthy(), machines={}, request=request))) == ()


def test_many_nodes_whose_vms_were_not_found_are_one_line_of_each_other_check() -> None:
    pods = {o: changed(snapshots.pod(o), "spec/nodeName", f"node-{o}") for o in range(5)}
    found = told(replace(healthy(), pods=pods, machines={}), *OF_MACHINES)

    assert len(found) == len(OF_MACHINES)
    assert all("no VM of node-0, node-1, node-2 and 2 more was found" in f.message for f in found)


def test_a_vm_that_is_not_found_of_a_node_without_replicas_is_no_matter() -> None:
    assert told(beside(healthy()), "machines-found", *OF_MACHINES) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nodeSelector", {"pool": "db"}),
        (
            "affinity",
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
                        ]
                    }
                }
            },
        ),
    ],
)
def test_a_node_that_the_pods_do_not_want_is_no_way_back(path: str, value: Any) -> None:
    choosy = changed(tainted(TAINT), f"statefulset/spec/template/spec/{path}", value)
    assert len(reach(beside(choosy))) == 2

    node = changed(snapshots.node("node-2"), "metadata/labels", {"pool": "db"})
    assert reach(replace(choosy, nodes=(choosy.nodes or {}) | {"node-2": node})) == []
