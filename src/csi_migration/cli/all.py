"""`rolling-migration all`: the whole migration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from csi_migration.cli import options
from csi_migration.cli.asking import agree_unless


@click.command("all")
@options.places
@options.statefulset
@options.working_directory(
    "Folder for the backup and the journal; must be empty or not there  [required]"
)
@click.option(
    "--plan",
    "saved_plan",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Begin only if nothing has moved since this plan was saved with `plan --out`",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing, as `plan` does")
@options.accepting
@options.patience
@options.output
def migrate_all(**arguments: Any) -> None:
    """Back up the StatefulSet, then migrate all its replicas.

    Highest ordinal first; each replica only while all others are Ready. Ctrl-C
    stops at the next safe point.
    """
    if arguments.pop("dry_run"):
        if arguments["saved_plan"]:
            raise click.UsageError("--plan is for a run: --dry-run makes a plan of its own.")
        _dry_run(arguments)
        return
    if arguments["working_directory"] is None:
        raise click.UsageError("Missing option '--working-directory'.")
    _migrate(arguments)


def _dry_run(arguments: dict[str, Any]) -> None:
    from csi_migration.cli.plan import show_plan
    from csi_migration.engine.connect import connected

    with connected(options.places_of(arguments)) as systems:
        show_plan(systems, arguments)


def _migrate(arguments: dict[str, Any]) -> None:
    from csi_migration.engine.connect import connected
    from csi_migration.engine.migrate import Migration
    from csi_migration.engine.start import new_run
    from csi_migration.journal.saved_plan import load_plan
    from csi_migration.report.reporter import reporter_for

    saved = arguments.pop("saved_plan")
    with (
        connected(options.places_of(arguments)) as systems,
        reporter_for(
            arguments["output"], sys.stdout, sys.stderr, environment=os.environ
        ) as reporter,
        new_run(
            systems,
            options.request_of(arguments),
            options.run_options_of(arguments),
            arguments["working_directory"],
            arguments=options.recorded("all", arguments),
            tell=reporter.event,
            agree=agree_unless(yes=arguments["yes"], question="Migrate"),
            saved=load_plan(saved) if saved else None,
        ) as run,
    ):
        Migration(run).everything()
