"""Reads everything that preflight and the plan look at, once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from csi_migration.decide.catalogue import findings
from csi_migration.decide.checks_volumes import claims_by_ordinal, volume_of
from csi_migration.decide.permissions import READING, WRITING
from csi_migration.decide.plan import selector_query
from csi_migration.engine.allowed import refused
from csi_migration.engine.dry_runs import dry_runs
from csi_migration.engine.gather_around import with_surroundings
from csi_migration.engine.systems import Systems
from csi_migration.kube import Client, NotFound, Resource, resources
from csi_migration.model.disk import DiskPath
from csi_migration.model.errors import AuthenticationFailed, UsageError
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.objects import Raw, by_name, name_of, ordinals_of, vm_uuid_of
from csi_migration.model.snapshot import DiskAttachment, DiskLook, Machine, Request, Snapshot
from csi_migration.vsphere.disks import held_by
from csi_migration.vsphere.errors import DatastoreNotFound, DiskNotFound
from csi_migration.vsphere.inventory import Attachment, Hardware, NodeMachine
from csi_migration.vsphere.privileges import missing, needed


def take_snapshot(systems: Systems, request: Request) -> Snapshot:
    """The StatefulSet and all around it; nothing is changed.

    Raises:
        UsageError: there is no such StatefulSet.
        AuthenticationFailed: something needed may not even be read.
    """
    snapshot = with_surroundings(systems.client, _kubernetes(systems.client, request))
    snapshot = with_disks(systems, snapshot)
    snapshot = replace(
        snapshot,
        missing_privileges=_missing_privileges(systems, snapshot),
        vcenters=systems.vcenters,
        unverified=systems.unverified,
    )
    if any(finding.severity is Severity.BLOCKER for finding in findings(snapshot)):
        return snapshot  # the objects to come can't be worked out yet
    return replace(snapshot, dry_runs=dry_runs(systems.client, snapshot))


def preflight(systems: Systems, request: Request) -> tuple[Snapshot, tuple[Finding, ...]]:
    """The snapshot and what every check says about it."""
    snapshot = take_snapshot(systems, request)
    return snapshot, findings(snapshot)


# Kubernetes --------------------------------------------------------------------


def _kubernetes(client: Client, request: Request) -> Snapshot:
    denied = refused(client, (*READING, *WRITING), request.namespace)
    unreadable = [str(permission) for permission in READING if str(permission) in denied]
    if unreadable:
        raise AuthenticationFailed(
            f"the identity may not {', '.join(unreadable)} on {client.server}",
            state="Nothing was changed.",
            resolution="Grant what deploy/rbac-user-cluster.yaml grants.",
        )
    statefulset = _statefulset(client, request)
    namespace = request.namespace
    pods = client.list(resources.PODS, namespace)
    names = {f"{request.statefulset}-{o}": o for o in ordinals_of(statefulset)}
    own = {names[name_of(pod)]: pod for pod in pods if name_of(pod) in names}
    selector = selector_query(statefulset["spec"]["selector"])
    return _with_volumes(
        client,
        Snapshot(
            request=request,
            server_version=client.version(),
            statefulset=statefulset,
            revisions=by_name(
                client.list(resources.CONTROLLER_REVISIONS, namespace, labels=selector)
            ),
            pods=own,
            claims={},
            volumes={},
            classes=_classes(client, request),
            namespace_pods=tuple(pods),
            budgets=tuple(client.list(resources.DISRUPTION_BUDGETS, namespace)),
            csi_nodes=_csi_nodes(client, own),
            denied=tuple(denied),
        ),
    )


def _statefulset(client: Client, request: Request) -> Raw:
    found = client.find(resources.STATEFULSETS, request.statefulset, request.namespace)
    if found is None:
        raise UsageError(
            f"there is no StatefulSet {request.statefulset} in namespace {request.namespace} "
            f"on {client.server}",
            state="Nothing was changed.",
            resolution="Check --sts-name, --sts-namespace and --cluster-name.",
        )
    return found


def _with_volumes(client: Client, snapshot: Snapshot) -> Snapshot:
    wanted = {name for _, name in claims_by_ordinal(snapshot)}
    claims = by_name(client.list(resources.CLAIMS, snapshot.request.namespace))
    snapshot = replace(
        snapshot,
        claims={name: claim for name, claim in claims.items() if name in wanted},
        namespace_claims=claims,
        volumes=by_name(client.list(resources.VOLUMES)),
    )
    found = tuple(client.list(resources.VOLUME_ATTACHMENTS))
    own = {claim["spec"].get("volumeName", "") for claim in snapshot.claims.values()}
    return replace(snapshot, all_attachments=found, attachments=attachments_of(found, own))


def attachments_of(found: Iterable[Raw], volumes: Collection[str]) -> tuple[Raw, ...]:
    """Those of the VolumeAttachments that are of these volumes."""
    return tuple(
        one for one in found if one["spec"]["source"].get("persistentVolumeName") in volumes
    )


def _classes(client: Client, request: Request) -> dict[str, Raw]:
    names = {request.intree_class, request.csi_class}
    return by_name(client.find(resources.STORAGE_CLASSES, name) for name in sorted(names))


def _csi_nodes(client: Client, pods: dict[int, Raw]) -> dict[str, Raw]:
    names = {pod["spec"].get("nodeName", "") for pod in pods.values()} - {""}
    return by_name(client.find(resources.CSI_NODES, name) for name in sorted(names))


# vCenter ------------------------------------------------------------------------


def with_disks(systems: Systems, snapshot: Snapshot) -> Snapshot:
    """The snapshot with what vCenter says of its claims' disks and its nodes' VMs."""
    recorded = recorded_ids(systems.client)
    hardware = systems.disks.hardware()
    looks = {
        name: _look(systems, snapshot.claims[name], snapshot, recorded, hardware)
        for _, name in claims_by_ordinal(snapshot)
        if name in snapshot.claims
    }
    machines = systems.disks.machines()
    return replace(
        snapshot,
        machines=_machines(snapshot, machines),
        vcenter_version=systems.session.about.api_version,
        disks={name: look for name, look in looks.items() if look is not None},
        unreadable_machines=hardware.unreadable,
    )


def recorded_ids(client: Client) -> dict[DiskPath, str]:
    """FCD ids by path, as the driver's syncer recorded them.

    (vsphere-csi-driver: pkg/apis/migration/v1alpha1/types.go.) The syncer
    defines the kind with the first volume that it records.
    """
    records: dict[DiskPath, str] = {}
    for record in _list_if_defined(client, resources.VOLUME_MIGRATIONS):
        try:
            path = DiskPath.parse(record["spec"]["volumepath"])
        except ValueError:
            continue  # a record of no disk: nothing here can mean it
        records[path] = record["spec"]["volumeid"]
    return records


def _list_if_defined(client: Client, resource: Resource) -> list[Raw]:
    try:
        return client.list(resource)
    except NotFound:
        return []


def _look(
    systems: Systems,
    claim: Raw,
    snapshot: Snapshot,
    recorded: dict[DiskPath, str],
    hardware: Hardware,
) -> DiskLook | None:
    volume = volume_of(snapshot, claim)
    source = volume["spec"].get("vsphereVolume") if volume else None
    if source is None:
        return None
    try:
        path = DiskPath.parse(source["volumePath"])
        file = systems.disks.locate(path)
    except (ValueError, DatastoreNotFound, DiskNotFound) as error:
        return DiskLook(problem=str(error))
    recorded_id = recorded.get(path) or recorded.get(file.path, "")
    disk = systems.disks.find(file, recorded_id or None)
    attached = held_by(hardware, file.path, disk.id if disk else None)
    return DiskLook(file, disk, recorded_id, tuple(_attachment(a) for a in attached))


def _attachment(found: Attachment) -> DiskAttachment:
    return DiskAttachment(
        found.vm, found.sharing, found.parent, found.disk_mode, found.flat, found.encrypted
    )


def _missing_privileges(systems: Systems, snapshot: Snapshot) -> tuple[str, ...]:
    files = [look.file for look in snapshot.disks.values() if look.file]
    if not files:
        return ()
    checks = needed(systems.session, sorted({file.datastore_id for file in files}))
    found = missing(systems.session, checks)
    return tuple(f"{privilege} on {thing}" for thing, privilege in found)


def _machines(snapshot: Snapshot, found: dict[str, NodeMachine]) -> dict[str, Machine]:
    """The VM of each node: by its uuid, or the VM of its name, for a node that says nothing
    mostly bears it.
    """
    by_their_name = {machine.name: machine for machine in found.values()}
    machines = {}
    for name, node in (snapshot.nodes or {}).items():
        if one := found.get(vm_uuid_of(node)) or by_their_name.get(name):
            machines[name] = Machine(one.name, one.hardware, one.has_disk_uuid)
    return machines
