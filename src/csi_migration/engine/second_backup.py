"""The second backup of a run: saved before its first change, removed when all is over.

What stands in the cluster, and in which order: `engine/cluster_backup.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from csi_migration.engine import cluster_backup
from csi_migration.engine.cluster_backup import BackupDamaged, NameTaken
from csi_migration.engine.lost_writes import sit_out_creations
from csi_migration.engine.run import Run, WaitedTooLong, closing, said
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import Intent, ObjectRef, Record
from csi_migration.journal.restoring import content_of
from csi_migration.kube import KubernetesError, resources
from csi_migration.model.errors import ToolError
from csi_migration.model.events import Notice
from csi_migration.model.objects import Raw, name_of

_CREATE = "create-second-backup"

# A server that has just started knows its roles within seconds. One that is away for longer
# is waited for by what comes next, with the patience of the whole run.
_RENEWAL_SECONDS = 30.0
_HINDRANCES = (KubernetesError, WaitedTooLong, JournalUnreadable, NameTaken, BackupDamaged)


def save_the_second_backup(run: Run) -> None:
    """Put the working directory's backup into the cluster as well.

    Raises:
        ToolError: another migration's stands there, or the cluster could not be asked
            for too long.
    """
    _save(run, run.options.unreachable_timeout)


def renew_the_second_backup(run: Run) -> None:
    """Have it hold what was saved since, before a run that takes a migration up goes on.

    What hinders that is told, and ends no run: the directory is whole, a replica may be
    away, and the way back must not depend on a copy.

    Raises:
        UnfinishedMigration: another migration's stands there.
    """
    try:
        _save(run, min(_RENEWAL_SECONDS, run.options.unreachable_timeout))
    except _HINDRANCES as error:
        text = (
            "the backup in the cluster was not renewed, it may be old or gone: do not lose "
            f"{run.directory.path} before the migration has ended. {said(error)}"
        )
        run.tell(Notice("warning", text))


def _save(run: Run, timeout: float) -> None:
    client, content = run.systems.client, content_of(run.directory)
    save = partial(cluster_backup.save, client, content, run.guard, partial(_announced, run))
    run.patiently("", partial(run.unless_asked, save), timeout=timeout)


def is_of_the_migration(record: Record) -> bool:
    """Whether it announces a change of more than the backup."""
    return isinstance(record, Intent) and record.action != _CREATE


def has_begun_the_second_backup(run: Run) -> bool:
    """Whether the creation of a part of it was ever sent; else what stands is another's."""
    records = run.directory.journal.records()
    return any(isinstance(record, Intent) and record.action == _CREATE for record in records)


def forget_the_second_backup(run: Run) -> None:
    """Delete the backup in the cluster: its migration has ended, or changed nothing.

    It stands until no creation of it can come late: that would tell of a migration which
    has not ended, for good.
    """
    client, identity = run.systems.client, run.directory.identity
    try:
        sit_out_creations(run, resources.CONFIG_MAPS)
        run.patiently("", lambda: cluster_backup.remove(client, identity, run.guard))
    except ToolError as error:
        text = f"the backup in the cluster was not removed: {said(error)}"
        run.tell(Notice("warning", text))


@contextmanager
def _announced(run: Run, body: Raw) -> Iterator[None]:
    """One that was not answered stays open, also when it is found to have come.

    What is found may be that of an earlier try.
    """
    journal, namespace = run.directory.journal, run.directory.identity.namespace
    kind = resources.CONFIG_MAPS.kind
    reference = ObjectRef(kind=kind, name=name_of(body), namespace=namespace)
    intent = journal.intent(step=_CREATE, action=_CREATE, object=reference)
    with closing(journal, intent):
        yield
