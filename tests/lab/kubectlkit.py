"""The real kubectl, as owners of StatefulSets use it; tests that need it skip without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.client import Object

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl here")

GITOPS = ("--server-side", "--field-manager=gitops")


@dataclass(frozen=True, slots=True)
class Said:
    """What kubectl printed, and whether it succeeded."""

    success: bool
    text: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    kubeconfig: Path

    def apply(self, manifest: Object, *options: str) -> Said:
        """`kubectl apply` of one object."""
        return self.run("apply", *options, "-f", "-", stdin=json.dumps(manifest))

    def run(self, *arguments: str, stdin: str = "") -> Said:
        ended = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
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
