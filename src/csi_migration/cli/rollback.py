"""`rolling-migration rollback`: takes replicas back to their in-tree volumes."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up


@click.command(short_help="Take replicas back to their in-tree volumes.")
@options.places_begun
@options.statefulset_begun
@taking_up.working_directory
@click.option(
    "--replica",
    type=int,
    multiple=True,
    help="Ordinal of a replica to take back; may be repeated [default: all]",
)
@options.patience_begun
@options.output
def rollback(**arguments: Any) -> None:
    """Take migrated and half-migrated replicas back to their in-tree volumes.

    One by one, on the same disks, with the application up. The disks stay First
    Class Disks, which does no harm. May be stopped and begun again at any time.

    Flags come from the directory, as for `resume`. If it is lost before the migration has
    ended, it is made again from the backup in the cluster in the same way; after that end
    nothing else can take the set back.
    """
    from csi_migration.model.plan import Direction

    taking_up.take_up("rollback", arguments, Direction.TO_IN_TREE, "Take back")
