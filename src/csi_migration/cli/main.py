"""The entry point: commands, errors and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
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

    Exit codes: 0 done, 1 failed, 2 usage, 3 blockers or a plan that has moved, 4 plan
    has changes (if asked for), 5 stopped (go on with `resume` or back with `rollback`),
    6 needs a person, 7 locked, 8 authentication or permissions, 9 unreachable.
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
    _stand_in_for_closed_streams()
    code = _run()
    _let_go_of_streams()
    sys.exit(code)


def _stand_in_for_closed_streams() -> None:
    """Else the next file or socket would be number 0, 1 or 2, and children would write to it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  stays open
            setattr(sys, name, stream)


def _run() -> int:
    try:
        # Not standalone, click returns the code of its own early exits.
        return cli.main(prog_name=TOOL, standalone_mode=False) or ExitCode.DONE
    except click.ClickException as error:
        _if_somebody_reads(error.show)
        return ExitCode.USAGE
    except click.Abort:
        _if_somebody_reads(partial(click.echo, "Interrupted.", err=True))
        return ExitCode.STOPPED
    except ToolError as error:
        _show(error)
        return error.exit_code


def _if_somebody_reads(tell: Callable[[], None]) -> None:
    """The exit code is the same whether or not the words found a reader."""
    with contextlib.suppress(OSError):
        tell()


def _let_go_of_streams() -> None:
    """Without a reader, Python would end with 120 in the place of any code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show(error: ToolError) -> None:
    from csi_migration.report.errors import error_json, error_text
    from csi_migration.report.style import Paint, use_colour

    wants_json = {"json", "-ojson", "--output=json"} & set(sys.argv)
    if wants_json:
        _if_somebody_reads(partial(click.echo, error_json(error), nl=False))
    paint = Paint(use_colour(sys.stderr, "auto", os.environ))
    _if_somebody_reads(partial(click.echo, error_text(error, paint=paint), err=True, nl=False))
