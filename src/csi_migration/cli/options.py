"""Options that several commands share, and what they become."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

# kubernetes: validation/path: IsValidPathSegmentName; and what a shell leaves behind.
_ODD = frozenset("/% \t\n")

Command = TypeVar("Command", bound=Callable[..., Any])

SOAK_SECONDS = 30.0
"""How long a swapped replica must stay Ready, if nothing else is said."""

PLACES = (
    "kubeconfig",
    "context",
    "cluster_name",
    "cluster_secret",
    "vcenter_config",
    "vcenter_ca",
    "vcenter_thumbprint",
)
"""The parameters that say where the systems are, and whom to trust there."""


def _place(
    flag: str, text: str, unsaid: str, *, is_begun: bool, **more: Any
) -> Callable[[Any], Any]:
    """Where something is; `unsaid`, in words, is where it is if nothing is said or recorded."""
    default = "as recorded" if is_begun else unsaid
    return click.option(flag, help=f"{text} [default: {default}]", **more)


def _cluster(*, is_begun: bool = False) -> tuple[Callable[[Any], Any], ...]:
    """Where the cluster is; of a migration that was begun it is recorded."""
    place = partial(_place, is_begun=is_begun)
    admin = "Kubeconfig of the admin cluster, or of the cluster that runs the StatefulSet"
    user = "User cluster that runs the StatefulSet; its kubeconfig is read from the admin cluster"
    holder = "Secret that holds the user cluster's kubeconfig"
    known = "where Google's or Cluster API's admin clusters have it"
    form = "NAMESPACE/NAME/KEY"
    return (
        place("--kubeconfig", admin, "$KUBECONFIG"),
        place("--context", "Context in the kubeconfig", "its current one"),
        place("--cluster-name", user, "the cluster of --kubeconfig itself", default=""),
        place("--cluster-secret", holder, known, metavar=form),
    )


def _places(*, is_begun: bool = False) -> tuple[Callable[[Any], Any], ...]:
    """Where the systems are, and whom to trust there."""
    place = partial(_place, is_begun=is_begun, type=click.Path(path_type=Path))
    config = "The driver's csi-vsphere.conf with vCenter's address and credentials"
    authority = "PEM file with the authority of vCenter's certificate"
    fingerprint = "SHA-1 or SHA-256 of vCenter's certificate"
    return (
        *_cluster(is_begun=is_begun),
        place("--vcenter-config", config, "the cluster's own Secret"),
        click.option("--vcenter-ca", type=click.Path(path_type=Path), help=authority),
        click.option("--vcenter-thumbprint", default="", help=fingerprint),
    )


def _named(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what no object can be called: its path on the API server would be another's."""
    del context
    if value is not None and (value in ("", ".", "..") or not value.isascii() or {*value} & _ODD):
        raise click.BadParameter(f"{value!r} is no object's name", param=parameter)
    return value


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse `inf` and `nan`, which neither JSON nor a clock can hold."""
    del context
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number of seconds", param=parameter)
    return value


def _name(flag: str, text: str, *, required: bool) -> Callable[[Any], Any]:
    return click.option(flag, required=required, callback=_named, help=text)


def _statefulset(*, required: bool) -> tuple[Callable[[Any], Any], ...]:
    """The set and its classes; what is not required is read from the working directory."""
    return (
        _name("--sts-name", "Name of the StatefulSet", required=required),
        _name("--sts-namespace", "Namespace of the StatefulSet", required=required),
        _name("--intree-storageclass", "StorageClass of its in-tree volumes", required=required),
        _name("--csi-storageclass", "StorageClass that its volumes will have", required=required),
        click.option(
            "--window",
            type=click.Choice(["replica", "run"]),
            default="replica",
            show_default=required,
            help="How long the StatefulSet object is away: while a replica is swapped, or for "
            "the whole run",
        ),
        click.option(
            "--max-unavailable",
            type=click.IntRange(min=1),
            default=1,
            show_default=required,
            help="How many replicas to swap at once, if podManagementPolicy is Parallel and the "
            "disruption budgets allow",
        ),
    )


def seconds(
    flag: str, text: str, default: float, *, least: int = 0, shown: bool | str = True
) -> Callable[[Any], Any]:
    """An option that is a number of seconds, `least` of them or more; `shown` is its default
    in the help, if that is not to be the number.
    """
    return click.option(
        flag,
        type=click.FloatRange(min=least),
        callback=_finite,
        default=default,
        show_default=shown,
        help=text,
    )


def _patience(*, is_begun: bool) -> tuple[Callable[[Any], Any], ...]:
    """How patient and careful a run is; one that was begun is so as before."""
    shown = "as before" if is_begun else True
    return (
        seconds(
            "--soak-seconds",
            "How long each swapped replica must stay Ready before the next one",
            SOAK_SECONDS,
            shown=shown,
        ),
        seconds(
            "--ready-timeout",
            "Seconds that a started replica may take to become Ready",
            900.0,
            least=1,
            shown=shown,
        ),
        seconds(
            "--unreachable-timeout",
            "Seconds that an API may be away before the run stops",
            300.0,
            shown=shown,
        ),
        click.option(
            "--health-command",
            default="",
            help="Shell command that must succeed after each replica; NAMESPACE, STATEFULSET and "
            "POD are set. It is never recorded: give it again to take a migration up",
        ),
        click.option("-y", "--yes", is_flag=True, help="Do not ask before the first change"),
    )


_ACCEPT = click.option(
    "--accept",
    multiple=True,
    metavar="ID",
    help="Go on in spite of what this check found; for checks that need acceptance. May be "
    "given several times",
)

_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of what is printed",
)


def places(command: Command) -> Command:
    """Add the options that say where the systems are."""
    return _with(command, _places())


def places_begun(command: Command) -> Command:
    """Add the same for a migration that was begun: what is not given is as recorded."""
    return _with(command, _places(is_begun=True))


def cluster_places(command: Command) -> Command:
    """Add those of them that say where the cluster is; vCenter is not asked."""
    return _with(command, _cluster())


def cluster_words(arguments: dict[str, Any]) -> tuple[str, ...]:
    """The same options again, as they were given, for a command to come."""
    names = ("kubeconfig", "context", "cluster_name", "cluster_secret")
    given = ((f"--{name.replace('_', '-')}", arguments.get(name)) for name in names)
    return tuple(word for flag, value in given if value for word in (flag, str(value)))


def statefulset(command: Command) -> Command:
    """Add the options that name the StatefulSet and its classes."""
    return _with(command, _statefulset(required=True))


def statefulset_begun(command: Command) -> Command:
    """Add the same for a migration that was begun: none of them is required."""
    return _with(command, _statefulset(required=False))


def accepting(command: Command) -> Command:
    """Add `--accept`."""
    return _with(command, (_ACCEPT,))


def working_directory(text: str) -> Callable[[Command], Command]:
    """Add `--working-directory`, of which this is the help."""
    return click.option("--working-directory", type=click.Path(path_type=Path), help=text)


def patience(command: Command) -> Command:
    """Add the options that say how patient and how careful a run is."""
    return _with(command, _patience(is_begun=False))


def patience_begun(command: Command) -> Command:
    """Add the same for a migration that was begun: what is not given is as before."""
    return _with(command, _patience(is_begun=True))


def output(command: Command) -> Command:
    """Add `-o`."""
    return _with(command, (_OUTPUT,))


def _with(command: Command, options: tuple[Callable[[Any], Any], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def request_of(arguments: dict[str, Any]) -> Any:
    """The Request in a command's arguments.

    Raises:
        UsageError: a check to be accepted does not exist.
    """
    from csi_migration.model.plan import Window
    from csi_migration.model.snapshot import Request

    return Request(
        namespace=arguments["sts_namespace"],
        statefulset=arguments["sts_name"],
        intree_class=arguments["intree_storageclass"],
        csi_class=arguments["csi_storageclass"],
        window=Window(arguments["window"]),
        accepted=_accepted(arguments),
        max_unavailable=arguments["max_unavailable"],
    )


def places_of(arguments: dict[str, Any]) -> Any:
    """The Places in a command's arguments."""
    from csi_migration.engine.places import Places

    return Places(
        kubeconfig=arguments["kubeconfig"],
        context=arguments["context"],
        cluster_name=arguments["cluster_name"],
        cluster_secret=arguments["cluster_secret"],
        vcenter_config=_path(arguments.get("vcenter_config")),
        vcenter_ca=_path(arguments.get("vcenter_ca")),
        vcenter_thumbprint=arguments.get("vcenter_thumbprint") or "",
    )


def run_options_of(arguments: dict[str, Any]) -> Any:
    """The Options of a run in a command's arguments.

    Raises:
        UsageError: a check to be accepted does not exist.
    """
    from csi_migration.engine.run import Options
    from csi_migration.model.plan import Window

    return Options(
        window=Window(arguments["window"]),
        ready_timeout=arguments["ready_timeout"],
        soak=arguments["soak_seconds"],
        unreachable_timeout=arguments["unreachable_timeout"],
        health_command=arguments["health_command"],
        max_unavailable=arguments["max_unavailable"],
        intree_class=arguments["intree_storageclass"],
        csi_class=arguments["csi_storageclass"],
        accepted=_accepted(arguments),
    )


def _accepted(arguments: dict[str, Any]) -> frozenset[str]:
    from csi_migration.decide.catalogue import checks_named

    accepted = frozenset(arguments.get("accept") or ())
    try:
        checks_named(accepted)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--accept") from error
    return accepted


def recorded(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the journal keeps them, for whoever resumes from elsewhere.

    All but the person's own command line, which may hold a secret; paths are made
    absolute.
    """
    kept = {k: v for k, v in arguments.items() if k not in ("health_command", "yes", "output")}
    kept["kubeconfig"] = _absolute(kept.get("kubeconfig") or _there(os.environ.get("KUBECONFIG")))
    for name in ("vcenter_config", "vcenter_ca", "working_directory"):
        kept[name] = _absolute(kept.get(name))
    return kept | {
        "command": command,
        "has_health_command": bool(arguments.get("health_command")),
    }


def _absolute(paths: str | Path | None) -> str | None:
    """One path, or a list of them as in $KUBECONFIG."""
    if not paths:
        return None
    listed = (Path(p).expanduser() for p in str(paths).split(os.pathsep) if p)
    return os.pathsep.join(str(path.absolute()) for path in listed)


def _there(listed: str | None) -> str | None:
    """Those in $KUBECONFIG that are there: only a variable may name others beside them."""
    paths = [path for path in (listed or "").split(os.pathsep) if path]
    return os.pathsep.join(p for p in paths if Path(p).expanduser().exists()) or listed


def _path(value: str | Path | None) -> Path | None:
    return Path(value) if value else None
