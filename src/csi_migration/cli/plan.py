"""`rolling-migration plan`: what `all` would do; nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from csi_migration.cli import options
from csi_migration.cli.page import on_stdout
from csi_migration.model.errors import ExitCode


@click.command(short_help="Print every step to come; change nothing.")
@options.places
@options.statefulset
@options.accepting
@options.seconds("--soak-seconds", "As for all; part of the estimate", options.SOAK_SECONDS)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, to be begun with `all --plan FILE` if nothing has moved by then",
)
@click.option(
    "--detailed-exit-code",
    is_flag=True,
    help="Exit with 4 if there is something to do, with 0 only if there is nothing",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "yaml"]),
    default="text",
    show_default=True,
    help="Format of what is printed",
)
def plan(**arguments: Any) -> None:
    """Print every step of the migration, and every object to come; change nothing.

    Exits with 3 if anything forbids the migration.
    """
    from csi_migration.engine.connect import connected

    with connected(options.places_of(arguments)) as systems:
        is_done = show_plan(systems, arguments)
    if arguments["detailed_exit_code"] and not is_done:
        raise click.exceptions.Exit(ExitCode.CHANGES)


def show_plan(systems: Any, arguments: dict[str, Any]) -> bool:
    """Print the plan, save it if asked; whether nothing is left to do."""
    from csi_migration.decide.catalogue import blockers
    from csi_migration.engine.gather import preflight
    from csi_migration.engine.planning import is_done, outline_of, save
    from csi_migration.report.findings import findings_json
    from csi_migration.report.plan import as_yaml, nothing_to_plan

    snapshot, found = preflight(
        systems, options.request_of(arguments), arguments.get("working_directory")
    )
    if is_done(snapshot):
        click.echo("Nothing to do: every volume is a CSI volume already.", err=True)
        _for_machines(arguments["output"], nothing_to_plan(systems.client.server, snapshot.request))
        return True
    _tell(found)
    if blockers(found):
        _for_machines(arguments["output"], findings_json(found))
        raise click.exceptions.Exit(ExitCode.BLOCKED)
    outline = outline_of(systems, snapshot, arguments["soak_seconds"], as_yaml)
    click.echo(_shown(outline, arguments["output"]), nl=False)
    if arguments.get("out"):
        save(systems, snapshot, outline, arguments["out"])
        click.echo(f"Saved to {arguments['out']}.", err=True)
    return False


def _tell(found: Any) -> None:
    """What preflight says beside what passed, on stderr."""
    from csi_migration.model.finding import Severity
    from csi_migration.report.findings import findings_text

    told = [finding for finding in found if finding.severity is not Severity.PASSED]
    if told:
        click.echo(findings_text(found), err=True, nl=False)
        click.echo("", err=True)


def _for_machines(output: str, document: str) -> None:
    """They get an object whatever comes of it; people have read it on stderr."""
    from csi_migration.report.plan import as_yaml

    if output == "json":
        click.echo(document, nl=False)
    elif output == "yaml":
        click.echo(as_yaml(json.loads(document)), nl=False)


def _shown(outline: Any, output: str) -> str:
    from csi_migration.report.plan import plan_json, plan_text, plan_yaml

    if output == "json":
        return plan_json(outline)
    if output == "yaml":
        return plan_yaml(outline)
    return plan_text(outline, **on_stdout())
