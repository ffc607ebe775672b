"""Begins a migration: preflight, plan, working directory, Lease, backup."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from csi_migration.decide.catalogue import blockers
from csi_migration.decide.plan import plan_of
from csi_migration.decide.plan_shape import strangers_in
from csi_migration.engine import cluster_backup
from csi_migration.engine.backup import back_up, write_readme
from csi_migration.engine.cluster_backup import UnfinishedMigration
from csi_migration.engine.ending import ended, ending_with, ways_on
from csi_migration.engine.gather import preflight
from csi_migration.engine.lease import Lease
from csi_migration.engine.planning import require_fresh
from csi_migration.engine.run import TRANSIENT, Options, Run, StopRequest, Tell
from csi_migration.engine.second_backup import renew_the_second_backup, save_the_second_backup
from csi_migration.engine.systems import Systems
from csi_migration.engine.todays_set import save_todays_set
from csi_migration.engine.whole_set import made_by
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.errors import JournalBroken
from csi_migration.journal.peek import has_journal
from csi_migration.journal.plan_file import PLAN, plan_from
from csi_migration.journal.record import Identity
from csi_migration.journal.restoring import complete, restored
from csi_migration.journal.saved_plan import SavedPlan
from csi_migration.kube import Client, KubernetesError, MaybeApplied
from csi_migration.model.errors import (
    Blocked,
    ExitCode,
    NeedsPerson,
    Stopped,
    ToolError,
    Unreachable,
    UsageError,
)
from csi_migration.model.events import Event, Notice
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.objects import uid_of
from csi_migration.model.plan import Direction, MigrationPlan
from csi_migration.model.snapshot import Request, Snapshot

TOOL = "statefulset-csi-migration-tool"

_TAKE_PAUSE_SECONDS = 1.0
_AGAIN = "Begin again with `rolling-migration all`."

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
    saved: SavedPlan | None = None,
) -> Iterator[Run]:
    """A run that is ready to change things, backed up and locked.

    `saved` is a plan that must still be right.

    Raises:
        Blocked: preflight found blockers, or the saved plan is stale.
        UsageError: the working directory can't be used, or the plan is of something else.
        Locked: another run is at work.
    """
    tell = _never_raising(tell)
    # Before preflight: while another run has the set away, its checks would mislead.
    WorkingDirectory.refuse_unless_usable(directory)
    Lease.refuse_if_held(systems.client, request.namespace, request.statefulset)
    cluster_backup.refuse_if_there(systems.client, request.namespace, request.statefulset)
    snapshot, found = preflight(systems, request, directory)
    _require_passed(found)
    if saved:
        require_fresh(systems, snapshot, saved)
    _tell_warnings(found, tell)
    plan = plan_of(snapshot)
    agree(plan)
    stop = StopRequest(lambda: tell(_stopping()))
    # The directory first: a run that is killed from here on can be told by it.
    with (
        stop.listening(),
        WorkingDirectory.create(directory, _identity(systems, snapshot)) as held,
    ):
        held.journal.run_started(tool_version=version(TOOL), arguments=arguments)
        with _leased(systems, plan, options, tell, stop, way_on=_AGAIN, undo=held.discard) as lease:
            run = Run(systems, plan, options, held, lease, tell, stop)
            with ending_with(partial(_ended_before_its_first_step, run)):
                back_up(systems, snapshot, plan, held)
                save_the_second_backup(run)
            yield run


@contextmanager
def taken_up_run(
    systems: Systems,
    options: Options,
    directory: Path,
    direction: Direction,
    *,
    only: tuple[int, ...] = (),
    arguments: dict[str, Any],
    tell: Tell,
    agree: Agree,
) -> Iterator[Run]:
    """A run that goes on from what an earlier one left, locked.

    `only` are the ordinals that a rollback is about, empty for all.

    Raises:
        UsageError: there is nothing to take up, or it is of another cluster.
        Locked: another run is at work.
        JournalUnreadable: the directory is damaged, or of another version.
    """
    tell = _never_raising(tell)
    with WorkingDirectory.open(directory) as held:
        if held.notice:
            tell(Notice("warning", held.notice))
        require_cluster(systems, held.identity)
        plan = _saved_plan(held)
        pods = _pods_of(plan, only)
        agree(plan)
        stop, way_on = StopRequest(lambda: tell(_stopping())), ways_on(held.path)
        with (
            stop.listening(),
            _leased(systems, plan, options, tell, stop, way_on=way_on) as lease,
        ):
            held.journal.run_started(tool_version=version(TOOL), arguments=arguments)
            run = Run(systems, plan, options, held, lease, tell, stop, direction)
            run.is_taken_up, run.only = True, pods
            run.made = made_by(run)
            with ending_with(partial(_ended_before_its_first_step, run)):
                write_readme(plan, held)
                if run.goes_back:
                    run.patiently("", partial(run.unless_asked, partial(save_todays_set, run)))
                renew_the_second_backup(run)
            yield run


def _ended_before_its_first_step(run: Run, error: ToolError) -> ToolError:
    """It was not killed, and a first run leaves nothing but its directory."""
    if not isinstance(error, UnfinishedMigration):
        return ended(run, error, has_changed=run.is_taken_up, is_in_hand=False)
    # What stands is another migration's, and so are the ways on.
    with contextlib.suppress(JournalBroken):
        run.directory.journal.run_ended(exit_code=int(error.exit_code), state=error.message)
    return error


@contextmanager
def _leased(
    systems: Systems,
    plan: MigrationPlan,
    options: Options,
    tell: Tell,
    stop: StopRequest,
    *,
    way_on: str,
    undo: Callable[[], None] = lambda: None,
) -> Iterator[Lease]:
    """Hold the Lease; `undo` what was made for this run if it is not to be had.

    `way_on` is for who stops it before it has the Lease.
    """

    def refused(error: ToolError) -> ToolError:
        undo()
        if isinstance(error, Stopped):
            error.state, error.resolution = "Nothing was changed by this run.", way_on
        return error

    with ending_with(refused):
        lease = _take(systems.client, plan, options, stop)
    try:
        yield lease
    finally:
        _release(lease, tell)


def _take(
    client: Client, plan: MigrationPlan | Identity, options: Options, stop: StopRequest
) -> Lease:
    """Looks before it writes, so it may begin again after whatever went wrong."""
    deadline = time.monotonic() + options.unreachable_timeout
    while True:
        stop.end_if_asked()
        try:
            return Lease.take(client, plan.namespace, plan.statefulset)
        except (*TRANSIENT, MaybeApplied) as error:
            if time.monotonic() > deadline:
                raise _unless_taken(error) from error
            time.sleep(_TAKE_PAUSE_SECONDS)


def _unless_taken(error: ToolError) -> ToolError:
    """A Lease that may have been taken is no change of the set, and expires by itself."""
    if not isinstance(error, MaybeApplied):
        return error
    return Unreachable(error.message, details=error.details)


def clean_up_after(systems: Systems, options: Options, directory: Path, tell: Tell) -> bool:
    """Take away what a run left that ended before it changed anything: its Lease.

    True if that is what the directory holds: a run whose backup was never complete.
    The backup in the cluster comes after that, so one that stands is another run's.

    Raises:
        Locked: another run is at work.
        KubernetesError: the cluster could not be asked.
    """
    with WorkingDirectory.open(directory) as held:
        if PLAN in held.journal.saved_files():
            return False
        require_cluster(systems, held.identity)
        namespace, name = held.identity.namespace, held.identity.statefulset
        lease = _take(systems.client, held.identity, options, StopRequest(lambda: None))
        _release(lease, tell)
        state = f"nothing of {namespace}/{name} had been changed; there is nothing to take back"
        held.journal.run_ended(exit_code=int(ExitCode.DONE), state=state)
        tell(Notice("info", state))
        return True


def _saved_plan(held: WorkingDirectory) -> MigrationPlan:
    if PLAN not in held.journal.saved_files():
        raise UsageError(
            f"The run in {held.path} ended before its backup was complete.",
            state="It had changed nothing.",
            resolution="Take away what it left with `rolling-migration rollback`, then start again "
            "with `rolling-migration all` and another directory.",
        )
    plan = plan_from(held.load(PLAN))
    strange = strangers_in(plan)
    if strange:
        raise NeedsPerson(
            f"The plan in {held.path} is none that this tool makes.",
            details="it names " + "; ".join(strange),
            state="Nothing was changed by this run.",
            resolution="See who wrote it. If it was made again from the backup in the cluster, "
            "somebody else may have put that there.",
        )
    return plan


def restore_directory(
    client: Client, path: Path, namespace: str, statefulset: str, places: dict[str, Any]
) -> None:
    """Make a lost working directory again from the backup beside the set, or finish one
    that was left while it was made again.

    `places` are the flags that say where the systems are. They are those of now, never
    those of the backup: whoever may write ConfigMaps must not say where to connect.

    Raises:
        UsageError: there is no such backup, or the directory cannot be used.
        NeedsPerson: the backup is damaged or not whole.
    """
    content = cluster_backup.load(client, namespace, statefulset)
    if content is None:
        raise UsageError(
            f"There is no migration in {path}, and no backup of one beside "
            f"StatefulSet {namespace}/{statefulset}.",
            state="Nothing was changed.",
            resolution="Give the working directory that the migration was started with.",
        )
    content = replace(content, arguments=content.arguments | places)
    if has_journal(path):
        with WorkingDirectory.open(path) as held:
            complete(held, content)
    else:
        restored(path, content).close()


def _pods_of(plan: MigrationPlan, ordinals: tuple[int, ...]) -> tuple[str, ...]:
    by_ordinal = {replica.ordinal: replica.pod for replica in plan.replicas}
    unknown = [str(ordinal) for ordinal in ordinals if ordinal not in by_ordinal]
    if unknown:
        raise UsageError(
            f"{plan.statefulset} has no replica {', '.join(unknown)} in this migration.",
            details=f"It has: {', '.join(map(str, sorted(by_ordinal)))}",
            state="Nothing was changed.",
        )
    return tuple(by_ordinal[ordinal] for ordinal in ordinals)


def require_cluster(systems: Systems, identity: Identity) -> None:
    """See that this is the cluster that the migration was begun in.

    Raises:
        UsageError: it is another one.
    """
    found = systems.cluster_uid()
    if found != identity.cluster_uid:
        raise UsageError(
            f"{systems.client.server} is not the cluster that this migration was begun in.",
            details=f"begun in {identity.cluster} (kube-system {identity.cluster_uid}), "
            f"this one's kube-system is {found}",
            state="Nothing was changed.",
            resolution="Give that cluster's --kubeconfig, --context and --cluster-name.",
        )


def _never_raising(tell: Tell) -> Tell:
    """A terminal or a pipe that is gone must not stop a swap half-way."""

    def tell_if_somebody_listens(event: Event) -> None:
        with contextlib.suppress(Exception):
            tell(event)

    return tell_if_somebody_listens


def _require_passed(found: tuple[Finding, ...]) -> None:
    blocking = blockers(found)
    if blocking:
        raise Blocked(
            f"preflight forbids it: {len(blocking)} finding(s)",
            details="\n".join(
                f"{f.severity.value}: {f.subject}: {f.message} [{f.id}]" for f in blocking
            ),
            state="Nothing was changed.",
            resolution="Clear them, or take those that need acceptance on with --accept ID, "
            "then try again; `preflight` prints them with what to do.",
        )


def _tell_warnings(found: tuple[Finding, ...], tell: Tell) -> None:
    for finding in found:
        if finding.accepted or finding.severity is Severity.WARNING:
            accepted = ", accepted" if finding.accepted else ""
            told = f"{finding.subject}: {finding.message} [{finding.id}{accepted}]"
            text = f"{told}. {finding.resolution}"
            tell(Notice("warning", text))


def _identity(systems: Systems, snapshot: Snapshot) -> Identity:
    return Identity(
        namespace=snapshot.request.namespace,
        statefulset=snapshot.request.statefulset,
        statefulset_uid=uid_of(snapshot.statefulset),
        cluster=systems.client.server,
        cluster_uid=systems.cluster_uid(),
        tool_version=version(TOOL),
    )


def _stopping() -> Notice:
    return Notice(
        "warning",
        "Stopping at the next safe point, after the replica in hand if there is one; "
        "a second signal stops at once and leaves that replica away.",
    )


def _release(lease: Lease, tell: Tell) -> None:
    try:
        lease.release()
    except KubernetesError as error:
        tell(Notice("warning", f"the Lease was not given back, it expires: {error.message}"))
