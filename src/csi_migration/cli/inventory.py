"""`inventory`: all StatefulSets of a cluster that have in-tree volumes."""

from __future__ import annotations

from typing import Any

import click

from csi_migration.cli import options
from csi_migration.cli.page import on_stdout

# A file or a pager has room for the reasons.
_PIPE_WIDTH = 140


@click.command()
@options.cluster_places
@click.option("-n", "--namespace", help="Only this namespace [default: all]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "wide", "json"]),
    default="text",
    show_default=True,
    help="Format of what is printed; wide adds the command to type next for each set",
)
def inventory(**arguments: Any) -> None:
    """List the StatefulSets that have in-tree vSphere volumes, and the volumes of no set.

    A quick look: nothing is changed, vCenter is not asked. `ready` means that nothing
    seen in the cluster stands in the way; `preflight` of the set is the thorough look.
    """
    from csi_migration.engine.inventory import take_inventory
    from csi_migration.engine.places import workload_client
    from csi_migration.report.inventory import inventory_json, inventory_text

    with workload_client(options.places_of(arguments)) as client:
        found = take_inventory(client, options.cluster_words(arguments), arguments["namespace"])
    if arguments["output"] == "json":
        click.echo(inventory_json(found), nl=False)
        return
    wide = arguments["output"] == "wide"
    click.echo(inventory_text(found, wide=wide, **on_stdout(_PIPE_WIDTH)), nl=False)
