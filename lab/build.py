"""Builds the lab's programs from Go modules, once for each version, into the cache.

The first build of a Kubernetes version takes 5 to 10 minutes on two cores;
afterwards a file check is all that is left.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import golang
from lab.controlplane import Binaries
from lab.layout import cache_dir
from lab.processes import LabError
from lab.progress import say

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PARTS = ("vcenter", "played")
KEPT_PARTS = 5
# The newest patch of each minor whose staging modules the Go proxy serves whole.
PATCHES = {"1.30": "1.30.14", "1.32": "1.32.2", "1.34": "1.34.4", "1.37": "1.37.2"}


def version() -> str:
    """Kubernetes' version: `KUBERNETES_VERSION`, else that of the given
    binaries (`KUBEBUILDER_ASSETS`), else the one that lab/go requires.

    Raises:
        LabError: the given binaries are of another version than asked for.
    """
    asked = os.environ.get("KUBERNETES_VERSION", "").removeprefix("v")
    asked, given = PATCHES.get(asked, asked), _assets_version()
    if asked and given and asked != given:
        raise LabError(f"KUBEBUILDER_ASSETS has {given}, but KUBERNETES_VERSION asks for {asked}")
    return asked or given or _default()


def binaries(wanted: str) -> Binaries:
    """Paths of all programs, built if they are not there yet.

    Raises:
        LabError: there is no Go, or a build failed.
    """
    kubernetes = cache_dir() / f"kubernetes-{wanted}"
    etcd_version = golang.required()["go.etcd.io/etcd/server/v3"].removeprefix("v")
    etcd = cache_dir() / f"etcd-{etcd_version}"
    parts = cache_dir() / f"parts-{_sources_hash()}"
    with _one_builder():
        servers = [_given(name) or _kubernetes(kubernetes / name, wanted) for name in CONTROL_PLANE]
        store = _given("etcd") or _built(etcd / "etcd", "go.etcd.io/etcd/server/v3")
        own = [_built(parts / name, f"./cmd/{name}") for name in PARTS]
    return Binaries(servers[0], servers[1], servers[2], store, own[0], own[1])


def _default() -> str:
    return golang.required()["k8s.io/kubernetes"].removeprefix("v")


def _given(name: str) -> Path | None:
    """A program from `KUBEBUILDER_ASSETS`, if that has it."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    path = Path(folder or "/nonexistent") / name
    return path if os.access(path, os.X_OK) else None


def _assets_version() -> str:
    program = _given("kube-apiserver")
    if not program:
        return ""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v(\d+\.\d+\.\d+)", answer.stdout)
    if not found:
        raise LabError(f"{program} --version says {answer.stdout!r}; check KUBEBUILDER_ASSETS")
    return found[1]


def _kubernetes(target: Path, wanted: str) -> Path:
    major, minor, _ = wanted.split(".")
    stamp = "k8s.io/component-base/version"
    flags = f"-X {stamp}.gitVersion=v{wanted} -X {stamp}.gitMajor={major}"
    flags = f"{flags} -X {stamp}.gitMinor={minor}"
    if target.exists():
        return target
    folder = golang.MODULE if wanted == _default() else _module_of(wanted)
    return _built(target, f"k8s.io/kubernetes/cmd/{target.name}", folder, flags)


def _built(target: Path, package: str, folder: Path = golang.MODULE, flags: str = "") -> Path:
    if target.exists():
        os.utime(target.parent)
        return target
    say(f"building {target.parent.name}/{target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    linker = f"-ldflags=-s -w {flags}".rstrip()
    golang.run(["build", "-trimpath", linker, "-o", str(temporary), package], folder)
    temporary.rename(target)
    _forget_old_parts()
    return target


def _module_of(wanted: str) -> Path:
    """A Go module that builds one Kubernetes version and nothing else.

    Kubernetes' own go.mod points its staging modules at folders of its
    repository; as a dependency each of them is a module of version v0.Y.Z.
    """
    folder = cache_dir() / f"module-{wanted}"
    if (folder / "go.mod").exists():
        return folder
    say(f"reading the modules of Kubernetes {wanted}")
    scratch = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (scratch / "go.mod").write_text(_go_mod(wanted))
    imports = "\n".join(f'\t_ "k8s.io/kubernetes/cmd/{name}"' for name in CONTROL_PLANE)
    tools = f"//go:build tools\n\npackage tools\n\nimport (\n{imports}\n)\n"
    (scratch / "tools.go").write_text(tools)
    golang.run(["mod", "tidy"], scratch)
    scratch.rename(folder)
    return folder


def _go_mod(wanted: str) -> str:
    known = golang.download(f"k8s.io/kubernetes@v{wanted}", Path("/"))
    upstream = golang.read_module(Path(known["GoMod"]))
    staged = [
        replaced["Old"]["Path"]
        for replaced in upstream.get("Replace", [])
        if replaced["New"]["Path"].startswith("./staging/")
    ]
    release = f"v0.{wanted.partition('.')[2]}"
    lines = ["module kubernetes", f"go {upstream['Go']}"]
    lines += [f"require k8s.io/kubernetes v{wanted}"]
    lines += [f"replace {path} => {path} {release}" for path in staged]
    return "\n\n".join(lines) + "\n"


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(golang.MODULE.rglob("*")):
        if path.suffix in {".go", ".mod", ".sum"} and not path.name.endswith("_test.go"):
            digest.update(f"{path.relative_to(golang.MODULE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _forget_old_parts() -> None:
    """Each change of lab/go makes a new folder of 80 MB; the last few will do."""
    folders = sorted(cache_dir().glob("parts-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-KEPT_PARTS]:
        shutil.rmtree(folder)


@contextmanager
def _one_builder() -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
