"""What is told and recorded when a run begins and however it ends."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from csi_migration.engine.companions import settled_set
from csi_migration.engine.lost_writes import outdate_lost_writes
from csi_migration.engine.retain import give_back_policies
from csi_migration.engine.run import Run
from csi_migration.engine.second_backup import (
    forget_the_second_backup,
    has_begun_the_second_backup,
    is_of_the_migration,
)
from csi_migration.engine.state import state_of
from csi_migration.journal.errors import JournalBroken
from csi_migration.journal.plan_file import PLAN
from csi_migration.model.errors import ExitCode, Stopped, ToolError, Unreachable
from csi_migration.model.events import Notice, RunEnded, RunStarted

# Codes that tell of a run which has changed nothing, or of no state at all.
_NOTHING_BEGUN = (
    ExitCode.FAILED,
    ExitCode.USAGE,
    ExitCode.BLOCKED,
    ExitCode.AUTHENTICATION,
    ExitCode.UNREACHABLE,
)


def way_on(command: str, directory: object) -> str:
    """The command line that takes a migration up again: `resume`, `rollback`, `verify`."""
    tool = "statefulset-csi-migration-tool rolling-migration"
    return f"{tool} {command} --working-directory {shlex.quote(str(directory))}"


def ways_on(directory: object) -> str:
    """How to go on from an unfinished run, and how to go back."""
    return (
        f"Go on with `{way_on('resume', directory)}`, "
        f"or back with `{way_on('rollback', directory)}`."
    )


def _ways_on(run: Run) -> str:
    """Of a run that ended before its backup was complete, nothing can be gone on with."""
    path = run.directory.path
    if _is_backed_up(run):
        return ways_on(path)
    return (
        f"Take away what it left with `{way_on('rollback', path)}`, then begin again with "
        "another directory."
    )


def _is_backed_up(run: Run) -> bool:
    return PLAN in run.directory.journal.saved_files()


def tell_start(run: Run) -> None:
    """The run begins."""
    run.tell(
        RunStarted(
            run.plan.namespace,
            run.plan.statefulset,
            run.options.window.value,
            tuple(replica.pod for replica in run.replicas),
            str(run.directory.path),
        )
    )


def tell_end(run: Run) -> None:
    """The run has reached its goal."""
    name, count = run.plan.statefulset, len(run.replicas)
    if run.goes_back:
        summary, side = "Took back", "their in-tree volumes again; the disks stay First Class Disks"
    else:
        summary, side = "Migrated", "CSI volumes"
    whole = "all " if count == len(run.plan.replicas) else ""
    state = f"{whole}{count} replicas of {name} run on {side}"
    run.directory.journal.run_ended(exit_code=int(ExitCode.DONE), state=state)
    _told(
        run,
        ExitCode.DONE,
        f"{summary} {run.plan.namespace}/{name}",
        state,
        f"keep {run.directory.path} until you are sure that you won't need it",
    )


@contextmanager
def ending_with(ended: Callable[[ToolError], ToolError]) -> Iterator[None]:
    """Raise what `ended` makes of whatever ends the block, be it a second signal or a bug."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise ended(Stopped("Stopped at once, as asked.")) from interrupt
    except ToolError as error:
        raise ended(error) from error
    except Exception as error:
        words = f"the tool itself failed: {type(error).__name__}: {error}"
        raise ended(ToolError(words)) from error


def ended(run: Run, error: ToolError, *, has_changed: bool, is_in_hand: bool) -> ToolError:
    """The error with the state of things, told and recorded.

    `has_changed` tells that a replica has left its in-tree volumes, `is_in_hand`
    that one is on its way.
    """
    has_begun = has_changed or is_in_hand
    error = _as_stopped(error, has_begun=has_begun, is_backed_up=_is_backed_up(run))
    if not has_begun and not isinstance(error, JournalBroken):
        _leave_nothing(run)
    error.state = " ".join(filter(None, (error.state, state_of(run))))
    error.resolution = " ".join(filter(None, (error.resolution, _ways_on(run))))
    with contextlib.suppress(JournalBroken):  # then that is what the error says already
        run.directory.journal.run_ended(exit_code=int(error.exit_code), state=error.state)
    _told(run, error.exit_code, error.message, error.state, error.resolution)
    return error


def _told(run: Run, code: ExitCode, summary: str, state: str, way_on: str) -> None:
    seconds = time.monotonic() - run.started
    run.tell(RunEnded(int(code), summary, state, way_on, seconds))


def _as_stopped(error: ToolError, *, has_begun: bool, is_backed_up: bool) -> ToolError:
    """In the middle of things, any failure is a stop: what matters is where it stands.

    What has its backup can be gone on with once an API that was away is back.
    """
    is_outage = isinstance(error, Unreachable) and is_backed_up
    if not is_outage and not (has_begun and error.exit_code in _NOTHING_BEGUN):
        return error
    return Stopped(
        error.message, details=error.details, state=error.state, resolution=error.resolution
    )


def _leave_nothing(run: Run) -> None:
    """Take everything back that a run did before its first swap, unless the set is away."""
    if any(map(is_of_the_migration, run.directory.journal.records())) and not _undone(run):
        return
    if has_begun_the_second_backup(run):
        forget_the_second_backup(run)


def _undone(run: Run) -> bool:
    try:
        if settled_set(run) is None:
            return False
        outdate_lost_writes(run)
        if settled_set(run) is None:
            return False  # what was sent has come meanwhile
        give_back_policies(run)
    except ToolError as error:
        run.tell(Notice("warning", f"the in-tree volumes may stay Retain: {error.message}"))
        return False
    return True
