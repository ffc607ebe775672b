"""Gathers what a verification judges: reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from csi_migration.engine.systems import Systems
from csi_migration.kube import resources
from csi_migration.model.evidence import ClaimEvidence, Evidence
from csi_migration.model.objects import Raw, by_name, vm_uuid_of
from csi_migration.model.plan import ClaimPlan, MigrationPlan
from csi_migration.vsphere.disks import held_by
from csi_migration.vsphere.inventory import Hardware


def gather(systems: Systems, plan: MigrationPlan, statefulset: Raw | None) -> Evidence:
    """The set's pods, its claims, their volumes and the disks of its CSI volumes.

    Raises:
        ToolError: something could not be read.
    """
    client, namespace = systems.client, plan.namespace
    pods = by_name(client.list(resources.PODS, namespace, labels=plan.selector))
    claims = by_name(client.list(resources.CLAIMS, namespace))
    planned = (claim for replica in plan.replicas for claim in replica.claims)
    own = {replica.pod for replica in plan.replicas}
    return Evidence(
        statefulset=statefulset,
        pods={name: pod for name, pod in pods.items() if name in own},
        claims={claim.name: _claim(systems, claim, claims.get(claim.name)) for claim in planned},
    )


def with_attachments(systems: Systems, plan: MigrationPlan, evidence: Evidence) -> Evidence:
    """The same, with who holds each disk, what CNS knows, and which VM each node is.

    Raises:
        ToolError: something could not be read.
    """
    hardware = systems.disks.hardware()
    planned = (claim for replica in plan.replicas for claim in replica.claims)
    claims = {
        claim.name: _held(systems, claim, evidence.claims[claim.name], hardware)
        for claim in planned
    }
    nodes = {pod["spec"].get("nodeName", "") for pod in evidence.pods.values()} - {""}
    return replace(evidence, claims=claims, machines=_machines(systems, nodes, hardware))


def _claim(systems: Systems, planned: ClaimPlan, claim: Raw | None) -> ClaimEvidence:
    name = claim["spec"].get("volumeName") if claim else None
    volume = systems.client.find(resources.VOLUMES, name) if name else None
    source = volume["spec"].get("csi") if volume else None
    if source is None:
        return ClaimEvidence(claim, volume)
    disk = systems.disks.retrieve(planned.file.datastore_id, source["volumeHandle"])
    return ClaimEvidence(claim, volume, disk)


def _held(
    systems: Systems, planned: ClaimPlan, evidence: ClaimEvidence, hardware: Hardware
) -> ClaimEvidence:
    disk = evidence.disk
    devices = held_by(hardware, planned.file.path, disk.id if disk else planned.disk_id or None)
    return replace(
        evidence,
        registered=systems.cns.registered(disk.id) if disk else None,
        holders=tuple(device.vm for device in devices),
    )


def _machines(systems: Systems, nodes: Iterable[str], hardware: Hardware) -> dict[str, str]:
    found = {node: hardware.machine_of(node, _uuid(systems, node)) for node in nodes}
    return {node: machine.name for node, machine in found.items() if machine}


def _uuid(systems: Systems, node: str) -> str:
    return vm_uuid_of(systems.client.find(resources.NODES, node) or {"spec": {}})
