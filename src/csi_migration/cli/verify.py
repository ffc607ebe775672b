"""`rolling-migration verify`: the proof of a migration; nothing is changed."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up
from csi_migration.model.errors import ExitCode


@click.command(short_help="See whether all is as it should be; change nothing.")
@options.places_begun
@taking_up.working_directory
@options.output
def verify(**arguments: Any) -> None:
    """See whether everything is as the migration should have left it; change nothing.

    Set, pods, claims, volumes, disks and the backup itself; after a rollback, the
    in-tree side. Exits with 6 if something is not as it should be.
    """
    from csi_migration.engine.proof import verification
    from csi_migration.report.verification import verification_json, verification_text

    with taking_up.looked_at(arguments) as session:
        proof = verification(session)
    show = verification_json if arguments["output"] == "json" else verification_text
    click.echo(show(proof), nl=False)
    if proof.problems:
        raise click.exceptions.Exit(ExitCode.NEEDS_PERSON)
