"""`rolling-migration verify`: the proof of a migration; nothing is changed."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options, taking_up
from csi_migration.model.errors import ExitCode


@click.command()
@options.places
@taking_up.working_directory
@options.output
def verify(**arguments: Any) -> None:
    """See whether everything is as the migration should have left it; change nothing.

    Set, pods, claims, volumes, disks and the backup itself; after a rollback, the
    in-tree side. Exits with 6 if something is not as it should be.
    """
    from csi_migration.engine.connect import connected
    from csi_migration.engine.proof import verification
    from csi_migration.engine.reading import plan_in, session
    from csi_migration.journal.peek import peek
    from csi_migration.report.verification import verification_json, verification_text

    directory = arguments["working_directory"]
    found = peek(directory)
    plan = plan_in(found)
    places = options.places_of(taking_up.merged(arguments, found.arguments, directory))
    with connected(places) as systems:
        proof = verification(session(systems, found, plan))
    show = verification_json if arguments["output"] == "json" else verification_text
    click.echo(show(proof), nl=False)
    if proof.problems:
        raise click.exceptions.Exit(ExitCode.NEEDS_PERSON)
