"""`rolling-migration resume`: goes on with a migration that was stopped."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up


@click.command()
@options.places
@options.statefulset_begun
@taking_up.working_directory
@options.patience
@options.output
def resume(**arguments: Any) -> None:
    """Go on with a migration that was stopped, from what is seen in the cluster and in vCenter.

    Always forwards, whatever stopped it; `rollback` goes back. Flags come from the
    directory; those that are given must agree with it.
    """
    from csi_migration.model.plan import Direction

    taking_up.take_up("resume", arguments, Direction.TO_CSI, "Go on with the migration of")
