"""Pods that are not as the set would make them, or are in the middle of a change."""

from __future__ import annotations

import pytest

from csi_migration.model.finding import Severity
from tests.unit.snapshots import changed, healthy
from tests.unit.surroundings import told

BLOCKER, NOTE = Severity.BLOCKER, Severity.NOTE
NODE = "volume.kubernetes.io/selected-node"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"


@pytest.mark.parametrize("kind", ["PodResizePending", "PodResizeInProgress"])
def test_a_resize_under_way_is_told_with_its_reason(kind: str) -> None:
    ready = {"type": "Ready", "status": "True"}
    resize = {"type": kind, "status": "True", "reason": "Deferred"}
    (found,) = told(changed(healthy(), "pods/0/status/conditions", [ready, resize]))

    assert (found.id, found.severity) == ("pods-settled", BLOCKER)
    assert f"{kind} (Deferred)" in found.message


def test_a_resize_that_has_ended_is_no_matter() -> None:
    ended = {"type": "PodResizeInProgress", "status": "False"}
    ready = {"type": "Ready", "status": "True"}
    assert told(changed(healthy(), "pods/0/status/conditions", [ready, ended])) == []


def test_a_pod_that_has_another_claim_than_its_template_names_is_told_with_both() -> None:
    at = "pods/0/spec/volumes/0/persistentVolumeClaim/claimName"
    (found,) = told(changed(healthy(), at, "data-old-0"))

    assert (found.id, found.severity, found.subject) == ("pod-claims", BLOCKER, "pod/web-0")
    assert found.message == "its volume data is data-old-0, not claim data-web-0"


def test_a_pod_may_have_more_volumes_than_the_templates() -> None:
    volumes = healthy().pods[0]["spec"]["volumes"]
    more = {"name": "other", "persistentVolumeClaim": {"claimName": "else"}}
    assert told(changed(healthy(), "pods/0/spec/volumes", [*volumes, more])) == []


@pytest.mark.parametrize(
    "marks",
    [
        {NODE: "node-1"},
        {PROVISIONER: "kubernetes.io/vsphere-volume"},
        {PROVISIONER: "csi.vsphere.vmware.com"},
        {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"},
    ],
)
def test_annotations_that_every_claim_has_are_not_worth_a_note(marks: dict[str, str]) -> None:
    assert told(changed(healthy(), "claims/data-web-0/metadata/annotations", marks)) == []


def test_a_claim_that_names_a_node_that_is_gone_is_told_that_it_goes() -> None:
    (found,) = told(changed(healthy(), "claims/data-web-0/metadata/annotations", {NODE: "node-9"}))

    assert (found.id, found.severity, found.subject) == (
        "stale-annotations",
        NOTE,
        "pvc/data-web-0",
    )
    assert "node-9" in found.message
