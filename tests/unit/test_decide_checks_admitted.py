"""A pod that the tool makes is admitted as its controller's was, or that is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csi_migration.decide.catalogue import findings
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import DryRun
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

FIELDS = "spec/securityContext"


def told(before: dict[str, Any], then: dict[str, Any] | None) -> list[Finding]:
    snapshot = changed(healthy(), "pods/0", before)
    answer = DryRun("pod/web-0", accepted=then is not None, returned=then)
    found = findings(replace(snapshot, dry_runs=(answer,)), only={"pods-admitted"})
    return [each for each in found if each.severity is not Severity.PASSED]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (FIELDS, {"fsGroup": 1000650000}, "securityContext"),
        ("metadata/annotations", {"openshift.io/scc": "restricted-v2"}, "openshift.io/scc"),
        (
            "spec/containers/0/securityContext",
            {"runAsUser": 1000650000},
            "securityContext of db",
        ),
        ("spec/runtimeClassName", "gvisor", "runtimeClassName"),
    ],
)
def test_what_admission_gave_to_the_controllers_pod_alone_needs_acceptance(
    path: str, value: Any, named: str
) -> None:
    (found,) = told(changed(snapshots.pod(0), path, value), snapshots.pod(0))

    assert found.severity is Severity.NEEDS_ACCEPTANCE
    assert found.message == f"it would come back with another {named}"


def test_an_empty_context_is_none() -> None:
    assert told(changed(snapshots.pod(0), FIELDS, {}), snapshots.pod(0)) == []


def test_a_refused_pod_is_the_other_checks_business() -> None:
    assert told(snapshots.pod(0), None) == []
