"""Which Kubernetes the lab builds, and from which modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import build, golang
from lab.processes import LabError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBERNETES_VERSION", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)


def program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)


def test_the_default_is_what_the_go_module_requires() -> None:
    assert f"v{build.version()}" == golang.required()["k8s.io/kubernetes"]


@pytest.mark.parametrize(
    ("asked", "built"),
    [("1.30", "1.30.14"), ("1.32", "1.32.2"), ("1.37", "1.37.2"), ("v1.35.4", "1.35.4")],
)
def test_a_minor_version_means_its_newest_buildable_patch(
    monkeypatch: pytest.MonkeyPatch, asked: str, built: str
) -> None:
    monkeypatch.setenv("KUBERNETES_VERSION", asked)
    assert build.version() == built


def test_given_binaries_decide_the_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "kube-apiserver", "Kubernetes v1.31.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert build.version() == "1.31.0"


def test_a_version_asked_for_must_be_that_of_the_given_binaries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "kube-apiserver", "Kubernetes v1.31.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_VERSION", "1.30")
    with pytest.raises(LabError, match=r"1\.31\.0.*1\.30\.14"):
        build.version()


def test_only_requirements_are_read_from_a_go_mod(tmp_path: Path) -> None:
    module = tmp_path / "go.mod"
    module.write_text(
        "module lab\n\ngo 1.24.0\n\nrequire go.etcd.io/etcd/server/v3 v3.6.4\n\n"
        "require (\n\tk8s.io/api v0.34.4\n\tgithub.com/x/y v1.0.0 // indirect\n)\n\n"
        "replace k8s.io/api => k8s.io/api v0.34.9\n"
    )
    assert golang.required(module) == {
        "go.etcd.io/etcd/server/v3": "v3.6.4",
        "k8s.io/api": "v0.34.4",
    }
