"""`rolling-migration status`: where a migration stands; nothing is changed."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up


@click.command(short_help="Say where it stands; change nothing.")
@options.places_begun
@taking_up.working_directory
@options.output
def status(**arguments: Any) -> None:
    """Say where a migration stands and what would come next; change nothing.

    By what is seen in the cluster and in vCenter, also while a run is at work, and
    what of it disagrees with the journal. Flags come from the directory.
    """
    from csi_migration.engine.status import status_of
    from csi_migration.report.status import status_json, status_text

    with taking_up.looked_at(arguments) as session:
        seen = status_of(session)
    show = status_json if arguments["output"] == "json" else status_text
    click.echo(show(seen), nl=False)
