"""`rolling-migration all`: the whole migration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csi_migration.cli import options
from csi_migration.model.errors import Stopped

if TYPE_CHECKING:
    from csi_migration.engine.start import Agree
    from csi_migration.model.plan import MigrationPlan


@click.command("all")
@options.places
@options.statefulset
@click.option(
    "--working-directory",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the backup and the journal; must be empty or not there",
)
@click.option(
    "--soak-seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long each migrated replica must stay Ready before the next one",
)
@click.option(
    "--ready-timeout",
    type=click.FloatRange(min=1),
    default=900.0,
    show_default=True,
    help="Seconds that a started replica may take to become Ready",
)
@click.option(
    "--unreachable-timeout",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    help="Seconds that an API may be away before the run stops",
)
@click.option(
    "--health-command",
    default="",
    help="Shell command that must succeed after each replica; NAMESPACE, STATEFULSET and POD "
    "are set",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the first change")
@options.output
def migrate_all(**arguments: Any) -> None:
    """Back up the StatefulSet, then migrate all its replicas.

    Highest ordinal first; each replica only while all others are Ready. Ctrl-C
    stops at the next safe point.
    """
    from csi_migration.engine.connect import connected
    from csi_migration.engine.migrate import Migration
    from csi_migration.engine.run import Options
    from csi_migration.engine.start import new_run
    from csi_migration.report.reporter import reporter_for

    request = options.request_of(arguments)
    run_options = Options(
        window=request.window,
        ready_timeout=arguments["ready_timeout"],
        soak=arguments["soak_seconds"],
        unreachable_timeout=arguments["unreachable_timeout"],
        health_command=arguments["health_command"],
    )
    with (
        connected(options.places_of(arguments)) as systems,
        reporter_for(
            arguments["output"], sys.stdout, sys.stderr, environment=os.environ
        ) as reporter,
        new_run(
            systems,
            request,
            run_options,
            arguments["working_directory"],
            arguments=_recorded(arguments),
            tell=reporter.event,
            agree=_agree_unless(yes=arguments["yes"]),
        ) as run,
    ):
        Migration(run).everything()


def _recorded(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the journal keeps them: all but the person's own command line,
    which may hold a secret.
    """
    kept = {name: value for name, value in arguments.items() if name != "health_command"}
    return {name: str(v) if isinstance(v, Path) else v for name, v in kept.items()}


def _agree_unless(*, yes: bool) -> Agree:
    """Ask on a terminal; scripts that call the tool as they always did are not asked."""

    def agree(plan: MigrationPlan) -> None:
        if yes or not sys.stdin.isatty():
            return
        question = f"Migrate {len(plan.replicas)} replicas of {plan.namespace}/{plan.statefulset}?"
        if not click.confirm(question, err=True):
            raise Stopped("Called off.", state="Nothing was changed.")

    return agree
