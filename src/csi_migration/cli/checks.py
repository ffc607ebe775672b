"""`checks`: what preflight checks, and why."""

from __future__ import annotations

import click


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Format of what is printed",
)
def checks(ids: tuple[str, ...], output: str) -> None:
    """List all checks of preflight, or explain those with these IDs."""
    from csi_migration.decide.catalogue import CHECKS, checks_named
    from csi_migration.report.checks import checks_json, checks_list, checks_markdown, checks_text

    try:
        named = checks_named(ids) or tuple(CHECKS)
    except LookupError as error:
        raise click.UsageError(str(error)) from error
    if output == "markdown":
        click.echo(checks_markdown(), nl=False)
    elif output == "json":
        click.echo(checks_json(named), nl=False)
    else:
        click.echo((checks_text if ids else checks_list)(named), nl=False)
