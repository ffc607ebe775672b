"""What `resume`, `rollback`, `status` and `verify` share: their flags come from the directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from csi_migration.cli import options
from csi_migration.cli.asking import agree_unless
from csi_migration.model.errors import UsageError

if TYPE_CHECKING:
    from csi_migration.engine.reading import Session
    from csi_migration.journal.peek import Peek
    from csi_migration.model.plan import Direction

Command = TypeVar("Command", bound=Callable[..., Any])

_OF_ONE_RUN = ("replica", "working_directory", "yes", "output", "health_command")
_MUST_AGREE = {
    "sts_name": "--sts-name",
    "sts_namespace": "--sts-namespace",
    "intree_storageclass": "--intree-storageclass",
    "csi_storageclass": "--csi-storageclass",
    "window": "--window",
}


def working_directory(command: Command) -> Command:
    """Add `--working-directory` of a migration that was begun."""
    return click.option(
        "--working-directory",
        required=True,
        type=click.Path(path_type=Path),
        help="The directory that the migration was begun with",
    )(command)


@contextmanager
def looked_at(given: dict[str, Any]) -> Iterator[Session]:
    """The Session of a command that only looks at the migration in a working directory.

    Raises:
        ToolError: the directory or a system could not be read.
    """
    from csi_migration.engine.connect import connected
    from csi_migration.engine.reading import plan_in, session
    from csi_migration.journal.peek import peek

    directory = given["working_directory"]
    found = peek(directory)
    plan = plan_in(found)
    with connected(options.places_of(merged(given, found.arguments, directory))) as systems:
        yield session(systems, found, plan)


def merged(given: dict[str, Any], recorded: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The recorded flags, and over them those that were given now.

    Places (kubeconfigs, the admin cluster, vCenter's address) and patience may differ from
    machine to machine; what the migration is about may not, and whether it is the same
    cluster is asked of the cluster (`engine.start.require_cluster`). What was accepted
    stays accepted, and more may be.

    Raises:
        UsageError: a given flag contradicts what the migration was begun with.
    """
    chosen = {name: value for name, value in given.items() if _was_given(name)}
    for name, flag in _MUST_AGREE.items():
        if name in chosen and name in recorded and chosen[name] != recorded[name]:
            raise UsageError(
                f"{flag} {chosen[name]} contradicts {directory}, "
                f"which was begun with {recorded[name]}.",
                state="Nothing was changed.",
                resolution=f"Leave {flag} out; it is read from the directory.",
            )
    most = recorded.get("most_unavailable", 1)
    if chosen.get("max_unavailable", 1) > most:
        raise UsageError(
            f"--max-unavailable {chosen['max_unavailable']} is more than preflight looked at: "
            f"{directory} was begun with {most}.",
            state="Nothing was changed.",
            resolution="Leave --max-unavailable out, or give less.",
        )
    kept = {k: v for k, v in recorded.items() if k in given and k not in _OF_ONE_RUN}
    cluster = chosen.get("cluster_name", recorded.get("cluster_name"))
    if not cluster or cluster != recorded.get("cluster_name"):
        kept.pop("cluster_secret", None)  # where another user cluster's kubeconfig is
    return given | kept | chosen | {"accept": _accepted(recorded, chosen)}


def _accepted(recorded: dict[str, Any], chosen: dict[str, Any]) -> list[str]:
    """What was accepted, but for checks of another version, and what is now."""
    from csi_migration.decide.catalogue import CHECKS

    known = {check.id for check in CHECKS}
    return sorted(known.intersection(recorded.get("accept", ())).union(chosen.get("accept", ())))


def _was_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT", "PROMPT")


def take_up(command: str, given: dict[str, Any], direction: Direction, question: str) -> None:
    """Run `resume` or `rollback` from what a working directory holds.

    Raises:
        ToolError: as `engine.migrate.Migration.everything`.
    """
    from csi_migration.engine.connect import connected
    from csi_migration.engine.migrate import Migration
    from csi_migration.engine.start import clean_up_after, taken_up_run
    from csi_migration.journal.peek import has_journal, peek
    from csi_migration.report.reporter import reporter_for

    directory = given["working_directory"]
    if not has_journal(directory) or not peek(directory).has_begun:
        _restore(given)
    found = peek(directory)
    if command == "resume" and found.was_taken_back:
        raise UsageError(
            f"The migration in {directory} was taken back as a whole: there is nothing to resume.",
            state="Nothing was changed.",
            resolution="Start a new one with `rolling-migration all` and another directory.",
        )
    arguments = merged(given, found.arguments, directory)
    patience = options.run_options_of(arguments)
    _warn(command, found, has_health_command=bool(given["health_command"]))
    with (
        connected(options.places_of(arguments)) as systems,
        reporter_for(given["output"], sys.stdout, sys.stderr, environment=os.environ) as reporter,
    ):
        if command == "rollback" and clean_up_after(systems, patience, directory, reporter.event):
            return
        with taken_up_run(
            systems,
            patience,
            directory,
            direction,
            only=tuple(given.get("replica") or ()),
            arguments=options.recorded(command, arguments),
            tell=reporter.event,
            agree=agree_unless(yes=given["yes"], question=question),
        ) as run:
            Migration(run).everything()


def _warn(command: str, found: Peek, *, has_health_command: bool) -> None:
    if found.arguments.get("has_health_command") and not has_health_command:
        click.echo(
            "warning: the migration was begun with --health-command, which is never recorded; "
            "this run checks readiness only",
            err=True,
        )
    if command == "resume" and found.last_command == "rollback" and not found.has_finished:
        click.echo(
            "warning: the last run was a rollback that did not finish; resume goes forwards again",
            err=True,
        )


def _restore(given: dict[str, Any]) -> None:
    """A lost directory comes back from the backup beside the set, if that is named."""
    from csi_migration.engine.places import workload_client
    from csi_migration.engine.start import restore_directory

    directory, name = given["working_directory"], given["sts_name"]
    if not (name and given["sts_namespace"]):
        raise UsageError(
            f"There is no migration in {directory}, or only the beginning of one.",
            state="Nothing was changed.",
            resolution="Give the working directory that the migration was begun with; or, if that "
            "is lost, a new one together with --kubeconfig, --cluster-name, --sts-name and "
            "--sts-namespace, and it is made again from the backup in the cluster.",
        )
    places = {k: v for k, v in options.recorded("", given).items() if k in options.PLACES}
    with workload_client(options.places_of(given)) as client:
        restore_directory(client, directory, given["sts_namespace"], name, places)
    click.echo(f"{directory} was made again from the backup in the cluster.", err=True)
