"""Finds a Go toolchain, or installs the one that requirements-go.txt pins."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from lab.layout import REPOSITORY, cache_dir
from lab.processes import LabError
from lab.progress import say

MODULE = REPOSITORY / "lab" / "go"
_PINNED = REPOSITORY / "requirements-go.txt"


def run(arguments: list[str], folder: Path = MODULE, *, quiet: bool = False) -> str:
    """Run `go` in a module's folder; its stdout. Progress goes to stderr.

    Raises:
        LabError: Go failed; holds what it said, unless it said it on stderr already.
    """
    command = [str(toolchain()), *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"`go {' '.join(arguments)}` failed in {folder}\n{done.stderr or ''}")
    return done.stdout


def read_module(path: Path) -> dict[str, Any]:
    """A go.mod as `go mod edit -json` prints it."""
    content: dict[str, Any] = json.loads(run(["mod", "edit", "-json", str(path)], quiet=True))
    return content


def download(module: str, folder: Path) -> dict[str, Any]:
    """Fetch `path@version`; what `go mod download -json` says of it."""
    content: dict[str, Any] = json.loads(run(["mod", "download", "-json", module], folder))
    return content


def required(path: Path = MODULE / "go.mod") -> dict[str, str]:
    """The directly required modules of a go.mod and their versions.

    Read without Go, so that a lab whose programs are all cached needs no Go.
    """
    lines = re.findall(r"^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)$", path.read_text(), re.MULTILINE)
    return dict(lines)


def environment() -> dict[str, str]:
    """Static binaries, and no toolchain that nobody asked for."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}


@cache
def toolchain() -> Path:
    """The machine's `go` when it is new enough for lab/go, else the pinned one.

    Raises:
        LabError: there is none and none can be installed.
    """
    found = shutil.which("go")
    if found and _version(Path(found)) >= _wanted():
        return Path(found)
    return _install()


def _wanted() -> tuple[int, ...]:
    line = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if not line:
        raise LabError(f"{MODULE / 'go.mod'} names no Go version")
    return tuple(map(int, line.groups()))


def _version(go: Path) -> tuple[int, ...]:
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=environment(), capture_output=True, text=True, check=False
    )
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, found.groups())) if found else (0, 0)


def _install() -> Path:
    digest = hashlib.sha256(_PINNED.read_bytes()).hexdigest()[:12]
    folder = cache_dir() / f"go-{digest}"
    if not folder.exists():
        say("no Go of a fitting version here: installing the pinned one (80 MB)")
        temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        command = [*pip, "--target", str(temporary), "-r", str(_PINNED)]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise LabError(f"no Go, and `{' '.join(command)}` failed; install Go {_wanted()}")
        temporary.rename(folder)
    return folder / "go" / "bin" / "go"
