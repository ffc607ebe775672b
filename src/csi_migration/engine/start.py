"""Begins a migration: preflight, plan, working directory, Lease, backup."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from csi_migration.decide.catalogue import blockers
from csi_migration.decide.plan import plan_of
from csi_migration.engine.backup import back_up
from csi_migration.engine.gather import preflight
from csi_migration.engine.lease import Lease
from csi_migration.engine.run import Options, Run, StopRequest, Tell
from csi_migration.engine.systems import Systems
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.record import Identity
from csi_migration.kube import KubernetesError, resources
from csi_migration.model.errors import Blocked
from csi_migration.model.events import Event, Notice
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.objects import uid_of
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.snapshot import Request, Snapshot

TOOL = "statefulset-csi-migration-tool"

Agree = Callable[[MigrationPlan], None]
"""Asks the person whether to go on; raises to call it off."""


@contextmanager
def new_run(
    systems: Systems,
    request: Request,
    options: Options,
    directory: Path,
    *,
    arguments: dict[str, Any],
    tell: Tell,
    agree: Agree,
) -> Iterator[Run]:
    """A run that is ready to change things, backed up and locked.

    Raises:
        Blocked: preflight found blockers.
        UsageError: the working directory can't be used.
        Locked: another run is at work.
    """
    tell = _never_raising(tell)
    # Before preflight: while another run has the set away, its checks would mislead.
    WorkingDirectory.refuse_unless_usable(directory)
    Lease.refuse_if_held(systems.client, request.namespace, request.statefulset)
    snapshot, found = preflight(systems, request)
    _require_passed(found)
    _tell_warnings(found, tell)
    plan = plan_of(snapshot)
    agree(plan)
    lease = Lease.take(systems.client, request.namespace, request.statefulset)
    try:
        with WorkingDirectory.create(directory, _identity(systems, snapshot)) as held:
            held.journal.run_started(tool_version=version(TOOL), arguments=arguments)
            back_up(systems, snapshot, plan, held)
            stop = StopRequest(lambda: tell(_stopping()))
            yield Run(systems, plan, options, held, lease, tell, stop)
    finally:
        _release(lease, tell)


def _never_raising(tell: Tell) -> Tell:
    """A terminal or a pipe that is gone must not stop a swap half-way."""

    def tell_if_somebody_listens(event: Event) -> None:
        with contextlib.suppress(OSError, ValueError):
            tell(event)

    return tell_if_somebody_listens


def _require_passed(found: tuple[Finding, ...]) -> None:
    blocking = blockers(found)
    if blocking:
        raise Blocked(
            f"preflight found {len(blocking)} blocker(s)",
            details="\n".join(f"{f.subject}: {f.message} [{f.id}]" for f in blocking),
            state="Nothing was changed.",
            resolution="Clear them, then try again; `preflight` prints them with what to do.",
        )


def _tell_warnings(found: tuple[Finding, ...], tell: Tell) -> None:
    for finding in found:
        if finding.severity is Severity.WARNING:
            text = f"{finding.subject}: {finding.message} [{finding.id}]. {finding.resolution}"
            tell(Notice("warning", text))


def _identity(systems: Systems, snapshot: Snapshot) -> Identity:
    cluster = systems.client.get(resources.NAMESPACES, "kube-system")
    return Identity(
        namespace=snapshot.request.namespace,
        statefulset=snapshot.request.statefulset,
        statefulset_uid=uid_of(snapshot.statefulset),
        cluster=systems.client.server,
        cluster_uid=uid_of(cluster),
        tool_version=version(TOOL),
    )


def _stopping() -> Notice:
    return Notice(
        "warning",
        "Stopping at the next safe point, after the replica in hand; "
        "a second signal stops at once and leaves that replica away.",
    )


def _release(lease: Lease, tell: Tell) -> None:
    try:
        lease.release()
    except KubernetesError as error:
        tell(Notice("warning", f"the Lease was not given back, it expires: {error.message}"))
