"""The entry point: commands, errors and exit codes."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from csi_migration.cli.all import migrate_all
from csi_migration.cli.checks import checks
from csi_migration.cli.inventory import inventory
from csi_migration.cli.plan import plan
from csi_migration.cli.preflight import preflight
from csi_migration.cli.resume import resume
from csi_migration.cli.rollback import rollback
from csi_migration.cli.status import status
from csi_migration.cli.verify import verify
from csi_migration.model.errors import ExitCode, ToolError

TOOL = "statefulset-csi-migration-tool"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=TOOL, prog_name=TOOL)
def cli() -> None:
    """Move a StatefulSet's volumes from the in-tree vSphere plugin to the vSphere CSI driver.

    The disks stay where they are and nothing is copied: each VMDK becomes a First
    Class Disk, and each PersistentVolume and claim is made again on top of it,
    replica by replica, with the application up.

    Exit codes: 0 done, 1 failed, 2 usage, 3 preflight blockers, 4 plan has changes
    (if asked for), 5 stopped (the message says where things stand), 6 needs a person,
    7 locked, 8 authentication or permissions, 9 unreachable.
    """


@cli.group("rolling-migration")
def rolling_migration() -> None:
    """Migrate a StatefulSet, one replica after the other."""


cli.add_command(preflight)
cli.add_command(checks)
cli.add_command(inventory)
rolling_migration.add_command(plan)
rolling_migration.add_command(migrate_all)
rolling_migration.add_command(resume)
rolling_migration.add_command(rollback)
rolling_migration.add_command(status)
rolling_migration.add_command(verify)


def main() -> NoReturn:
    """Run the command line and exit with a code of the table."""
    try:
        # Not standalone, click returns the code of its own early exits.
        sys.exit(cli.main(prog_name=TOOL, standalone_mode=False) or ExitCode.DONE)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(ExitCode.STOPPED)
    except ToolError as error:
        _show(error)
        sys.exit(error.exit_code)


def _show(error: ToolError) -> None:
    from csi_migration.report.errors import error_json, error_text
    from csi_migration.report.style import Paint, use_colour

    wants_json = {"json", "-ojson", "--output=json"} & set(sys.argv)
    if wants_json:
        click.echo(error_json(error), nl=False)
    paint = Paint(use_colour(sys.stderr, "auto", os.environ))
    click.echo(error_text(error, paint=paint), err=True, nl=False)
