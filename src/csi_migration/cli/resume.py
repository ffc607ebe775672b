"""`rolling-migration resume`: goes on with a migration that was stopped."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up


@click.command(short_help="Go on forwards with a migration that was stopped.")
@options.places_begun
@options.statefulset_begun
@taking_up.working_directory
@options.accepting
@options.patience_begun
@options.output
def resume(**arguments: Any) -> None:
    """Go on with a migration that was stopped, from what is seen in the cluster and in vCenter.

    Always forwards, whatever stopped it; `rollback` goes back. Flags come from the
    directory. Those that say where something is, time-outs and --soak-seconds may be
    others now, --max-unavailable may be less, and --health-command has to be given
    again; the set, its cluster, its classes and the window stay as they were.

    If the directory is lost before the migration has ended, name a new one, and the set
    with --kubeconfig, --cluster-name, --sts-namespace and --sts-name: it is made again
    from the backup in the cluster.
    """
    from csi_migration.model.plan import Direction

    taking_up.take_up("resume", arguments, Direction.TO_CSI, "Go on with the migration of")
