"""Sets that somebody applies or operates, pods and claims in between, servers that nobody
verifies: preflight names exactly that. All on one healthy set, which is left as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.client import Object
from lab.pki import edited_kubeconfig
from tests.lab.adversarykit import applied_by
from tests.lab.interruptkit import paused
from tests.lab.labkit import Lab, Trial
from tests.lab.misfitkit import (
    Misfit,
    Plant,
    annotated,
    assert_named,
    labelled,
    misfit,
    named,
    settle,
)

CLAIM, SET, POD = "PersistentVolumeClaim", "StatefulSet", "Pod"
SELECTED_NODE = "volume.kubernetes.io/selected-node"


def part(made: Trial, **spec: int) -> Object:
    """As much of the set as one who applies it may say."""
    metadata = {"name": made.workload.name, "namespace": made.workload.namespace}
    body = {"apiVersion": "apps/v1", "kind": SET, "metadata": metadata}
    return body | ({"spec": spec} if spec else {})


def of_manager(manager: str) -> Plant:
    """Somebody of this name applied a part of the set's spec; he gives it up again."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        applied_by(made, manager, part(made, replicas=2))
        try:
            settle(made)
            yield
        finally:
            applied_by(made, manager, part(made))
            settle(made)

    return plant


@contextmanager
def being_resized(made: Trial) -> Iterator[None]:
    """As its kubelet says, which says nothing else meanwhile."""
    namespace = made.workload.namespace
    before = made.cluster.get(POD, "web-0", namespace)["status"]["conditions"]
    resize = {"type": "PodResizePending", "status": "True", "reason": "Deferred"}
    with paused(made.lab, f"kubelet-{made.where}"):
        resizing = {"status": {"conditions": [*before, resize]}}
        made.cluster.patch(POD, "web-0", resizing, namespace, "status")
        try:
            yield
        finally:
            undo = {"status": {"conditions": before}}
            made.cluster.patch(POD, "web-0", undo, namespace, "status")


MISFITS = [
    misfit(
        "gitops Argo CD's own label", labelled(SET, "web", {"argocd.argoproj.io/instance": "w"})
    ),
    misfit("gitops Argo CD by what it applied", of_manager("argocd-controller")),
    misfit("gitops Flux by what it applied", of_manager("kustomize-controller")),
    misfit("helm by what it applied", of_manager("helm")),
    misfit("operator by what it applied", of_manager("postgres-operator")),
    misfit("operator Zalando's", labelled(SET, "web", {"application": "spilo"})),
    misfit("pods-settled", being_resized),
    misfit(
        "stale-annotations of a node that is gone",
        annotated(CLAIM, "data-web-0", {SELECTED_NODE: "node-of-old"}),
    ),
]


@pytest.mark.parametrize("each", MISFITS, ids=lambda each: each.name)
def test_preflight_names_exactly_the_misfit(healthy: Trial, usual: set[str], each: Misfit) -> None:
    assert_named(healthy, each, usual)


def test_an_api_server_that_nobody_verifies_is_warned_of(
    healthy: Trial, usual: set[str], lab: Lab, tmp_path: Path
) -> None:
    kubeconfig = edited_kubeconfig(
        lab.layout.kubeconfig("admin", "tool"),
        tmp_path / "kubeconfig",
        cluster={"certificate-authority-data": "", "insecure-skip-tls-verify": True},
    )
    run = healthy.preflight("-o", "json", "--kubeconfig", str(kubeconfig))

    assert run.exit_code == 0, str(run)
    assert named(run) - usual == {"certificates"}
