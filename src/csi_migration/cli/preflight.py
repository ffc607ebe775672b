"""`preflight`: every check, nothing changed."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options
from csi_migration.cli.page import on_stdout
from csi_migration.model.errors import ExitCode


@click.command(short_help="Check a StatefulSet; change nothing.")
@options.places
@options.statefulset
@options.working_directory("Look at the folder for the backup, too; it is not touched")
@options.accepting
@options.output
def preflight(**arguments: Any) -> None:
    """Check whether a StatefulSet can be migrated; change nothing.

    Exits with 3 if anything forbids the migration. `checks ID` explains a finding.
    """
    from csi_migration.decide.catalogue import blockers
    from csi_migration.engine.connect import connected
    from csi_migration.engine.gather import preflight as check
    from csi_migration.report.findings import findings_json, findings_text

    with connected(options.places_of(arguments)) as systems:
        request, directory = options.request_of(arguments), arguments["working_directory"]
        _, found = check(systems, request, directory, one_by_one=False)
    is_json = arguments["output"] == "json"
    click.echo(findings_json(found) if is_json else findings_text(found, **on_stdout()), nl=False)
    if blockers(found):
        raise click.exceptions.Exit(ExitCode.BLOCKED)
