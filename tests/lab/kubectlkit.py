"""Owners of StatefulSets and how they apply them: the server's own apply, and kubectl's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import pytest
import yaml

from lab.client import ApiError, Cluster, Object, _check, _path

# Only its client-side apply, which is kubectl's own work, can't be had without it.
needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl here")

GITOPS = "gitops"


def server_side_applied(cluster: Cluster, body: Object, manager: str, **query: str) -> Object:
    """The object, server-side applied under this name; `body` may be a part of it."""
    metadata = body["metadata"]
    path = _path(body["kind"], metadata["namespace"], metadata["name"])
    answer = cluster._pool.request(
        "PATCH",
        f"{cluster.server}/{path}?{urlencode({'fieldManager': manager, **query})}",
        # The server reads YAML here, which knows none of JSON's surrogate pairs.
        body=yaml.safe_dump(body),
        headers={"Accept": "application/json", "Content-Type": "application/apply-patch+yaml"},
    )
    _check(answer)
    applied: Object = answer.json()
    return applied


@dataclass(frozen=True, slots=True)
class Said:
    """What an owner was told, and whether he succeeded."""

    success: bool
    text: str


class Owner(Protocol):
    """Who applies a manifest now and again."""

    def apply(self, manifest: Object, *, dry_run: bool = False) -> Said:
        """Apply one object, or only try."""


@dataclass(frozen=True, slots=True)
class Gitops:
    """Applies as `kubectl apply --server-side --field-manager=gitops` does."""

    cluster: Cluster

    def apply(self, manifest: Object, *, dry_run: bool = False) -> Said:
        query = {"dryRun": "All"} if dry_run else {}
        try:
            server_side_applied(self.cluster, manifest, GITOPS, **query)
        except ApiError as error:
            return Said(success=False, text=_message(error))
        return Said(success=True, text="")


def _message(error: ApiError) -> str:
    """What kubectl would print of the server's Status."""
    status: Object = json.loads(str(error).partition(": ")[2])
    return str(status["message"])


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The real kubectl with one kubeconfig, which applies on the client's side."""

    kubeconfig: Path

    def apply(self, manifest: Object, *, dry_run: bool = False) -> Said:
        ended = subprocess.run(
            ["kubectl", "apply", *["--dry-run=server"] * dry_run, "-f", "-"],
            input=json.dumps(manifest),
            text=True,
            check=False,
            capture_output=True,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
        )
        return Said(ended.returncode == 0, ended.stdout + ended.stderr)


def spelled_out(statefulset: Object) -> Object:
    """The manifest with its claim templates as the server completes them.

    kubectl compares such a list as a whole: with anything left to the server, each
    of its applies is a patch, be it one that changes nothing.
    """
    again: Object = json.loads(json.dumps(statefulset))
    for template in again["spec"]["volumeClaimTemplates"]:
        template |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        template |= {"status": {"phase": "Pending"}}
        template["spec"]["volumeMode"] = "Filesystem"
    return again


def on_class(statefulset: Object, storage_class: str) -> Object:
    """The manifest with only the class changed."""
    again: Object = json.loads(json.dumps(statefulset))
    for template in again["spec"]["volumeClaimTemplates"]:
        template["spec"]["storageClassName"] = storage_class
    return again


def scaled(statefulset: Object, replicas: int) -> Object:
    """The manifest with only the number of replicas changed."""
    return statefulset | {"spec": statefulset["spec"] | {"replicas": replicas}}
