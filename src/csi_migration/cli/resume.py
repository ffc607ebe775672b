"""`rolling-migration resume`: goes on with a migration that was stopped."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up


@click.command()
@options.places
@options.statefulset_begun
@taking_up.working_directory
@options.accepting
@options.patience_begun
@options.output
def resume(**arguments: Any) -> None:
    """Go on with a migration that was stopped, from what is seen in the cluster and in vCenter.

    Always forwards, whatever stopped it; `rollback` goes back. Flags come from the
    directory. Places and patience may be given anew, and so must --health-command; the
    set, its cluster, its classes and the window are as they were.
    """
    from csi_migration.model.plan import Direction

    taking_up.take_up("resume", arguments, Direction.TO_CSI, "Go on with the migration of")
