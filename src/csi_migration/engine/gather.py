"""Reads everything that preflight and the plan look at, once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from csi_migration.decide.catalogue import findings
from csi_migration.decide.checks_volumes import claims_by_ordinal
from csi_migration.decide.permissions import READING, WRITING
from csi_migration.decide.plan import selector_query
from csi_migration.engine.allowed import refused
from csi_migration.engine.directory_look import look_at
from csi_migration.engine.dry_runs import dry_runs
from csi_migration.engine.gather_around import with_surroundings
from csi_migration.engine.gather_disks import recorded_ids, with_disks
from csi_migration.engine.systems import Systems
from csi_migration.kube import Client, resources
from csi_migration.model.errors import AuthenticationFailed, UsageError
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.objects import Raw, by_name, name_of, ordinals_of
from csi_migration.model.snapshot import Request, Snapshot
from csi_migration.vsphere.privileges import missing, needed


def take_snapshot(systems: Systems, request: Request, *, one_by_one: bool = True) -> Snapshot:
    """The StatefulSet and all around it; nothing is changed.

    `one_by_one` is that of `gather_disks.with_disks`.

    Raises:
        UsageError: there is no such StatefulSet.
        AuthenticationFailed: something needed may not even be read.
    """
    snapshot = with_surroundings(systems.client, _kubernetes(systems.client, request))
    recorded = recorded_ids(systems.client)
    snapshot = with_disks(systems, snapshot, recorded, one_by_one=one_by_one)
    snapshot = replace(
        snapshot,
        missing_privileges=_missing_privileges(systems, snapshot),
        vcenters=systems.vcenters,
        unverified=systems.unverified,
        unverified_servers=systems.unverified_servers,
    )
    if any(finding.severity is Severity.BLOCKER for finding in findings(snapshot)):
        return snapshot  # the objects to come can't be worked out yet
    return replace(snapshot, dry_runs=dry_runs(systems.client, snapshot))


def preflight(
    systems: Systems,
    request: Request,
    directory: Path | None = None,
    *,
    one_by_one: bool = True,
) -> tuple[Snapshot, tuple[Finding, ...]]:
    """The snapshot and what every check says about it, and about a working directory if given.

    See `take_snapshot` for `one_by_one`.
    """
    snapshot = take_snapshot(systems, request, one_by_one=one_by_one)
    if directory is not None:
        snapshot = replace(snapshot, directory=look_at(directory, snapshot))
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
    pods = client.list(resources.PODS, namespace, keep=_unmanaged)
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
    claims = by_name(client.list(resources.CLAIMS, snapshot.request.namespace, keep=_unmanaged))
    snapshot = replace(
        snapshot,
        claims={name: claim for name, claim in claims.items() if name in wanted},
        namespace_claims=claims,
        volumes=by_name(client.list(resources.VOLUMES, keep=_unmanaged)),
    )
    found = tuple(client.list(resources.VOLUME_ATTACHMENTS, keep=_unmanaged))
    own = {claim["spec"].get("volumeName", "") for claim in snapshot.claims.values()}
    return replace(snapshot, all_attachments=found, attachments=attachments_of(found, own))


def _unmanaged(item: Raw) -> Raw:
    """Without the record of who wrote what, which is half of it and which nobody looks at."""
    item["metadata"].pop("managedFields", None)
    return item


def attachments_of(found: Iterable[Raw], volumes: Collection[str]) -> tuple[Raw, ...]:
    """Those of the VolumeAttachments that are of these volumes."""
    return tuple(
        one for one in found if one["spec"]["source"].get("persistentVolumeName") in volumes
    )


def _classes(client: Client, request: Request) -> dict[str, Raw]:
    names = {request.intree_class, request.csi_class}
    return by_name(client.find(resources.STORAGE_CLASSES, name) for name in sorted(names))


# vCenter ------------------------------------------------------------------------


def _missing_privileges(systems: Systems, snapshot: Snapshot) -> tuple[str, ...]:
    files = [look.file for look in snapshot.disks.values() if look.file]
    if not files:
        return ()
    checks = needed(systems.session, sorted({file.datastore_id for file in files}))
    found = missing(systems.session, checks)
    return tuple(f"{privilege} on {thing}" for thing, privilege in found)
