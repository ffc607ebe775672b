"""`python -m lab`: the command line of the lab."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from lab import build, cluster, demo, golang
from lab import facts as lab_facts
from lab.layout import Layout
from lab.processes import LabError
from lab.progress import say

Command = Callable[[argparse.Namespace], int]


def main() -> int:
    """Run one command; its exit status."""
    options = _parser().parse_args()
    command: Command = options.command
    try:
        return command(options)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(options: argparse.Namespace) -> int:
    known = cluster.up(Layout.default(), admin_workloads=options.admin_workloads)
    say(f"Kubernetes {known.version} is up (started in {known.seconds} s)")
    print('eval "$(python -m lab env)" sets KUBECONFIG for kubectl')
    return 0


def _down(_: argparse.Namespace) -> int:
    layout = Layout.default()
    say("stopped" if cluster.down(layout) else f"no lab in {layout.root}")
    return 0


def _status(_: argparse.Namespace) -> int:
    parts = cluster.status(Layout.default())
    for part, works in parts:
        state = "ok" if works else ("not ready" if part.alive else "down")
        print(f"{part.name:32} {part.pid:>8}  {state:10} {part.log}")
    return 0 if parts and all(works for _, works in parts) else 1


def _env(_: argparse.Namespace) -> int:
    layout = Layout.default()
    known = lab_facts.read(layout)
    if known is None:
        raise LabError(f"no lab in {layout.root}; start one with: python -m lab up")
    for name, value in cluster.environment(layout, known).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _build(_: argparse.Namespace) -> int:
    built = build.binaries(build.version())
    for field in built.__slots__:
        print(getattr(built, field))
    return 0


def _go(options: argparse.Namespace) -> int:
    os.chdir(golang.MODULE)
    go = golang.toolchain()
    # Becoming go hands signals and the exit status through.
    os.execve(go, [str(go), *options.arguments], golang.environment())


def _demo(options: argparse.Namespace) -> int:
    return demo.run(Layout.default(), keep=options.keep, working_directory=options.directory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=description)
        added.set_defaults(command=command)
        return added

    starting = add("up", _up, "build what is missing and start the lab")
    starting.add_argument(
        "--admin-workloads", action="store_true", help="let the admin cluster run pods as well"
    )
    add("down", _down, "stop the lab; its logs stay")
    add("status", _status, "list the parts; exits with 1 unless all of them work")
    add("env", _env, "print variables for kubectl, govc and scripts")
    add("build", _build, "build the programs into the cache and print their paths")
    toolchain = add("go", _go, "run go in lab/go with the toolchain that the lab builds with")
    toolchain.add_argument("arguments", nargs=argparse.REMAINDER)
    showing = add("demo", _demo, "migrate a StatefulSet and check every byte")
    showing.add_argument("--keep", action="store_true", help="leave the lab running")
    showing.add_argument(
        "--directory", type=Path, help="the tool's working directory (default: a new one)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
