"""Who owns or applies the set: told by its marks, or by the server's record of who wrote what."""

from __future__ import annotations

from typing import Any

import pytest

from csi_migration.decide.catalogue import findings
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.snapshot import Snapshot
from tests.unit.snapshots import changed, healthy

ACCEPT, WARNING, NOTE = Severity.NEEDS_ACCEPTANCE, Severity.WARNING, Severity.NOTE
LABELS = "statefulset/metadata/labels"
MARKS = "statefulset/metadata/annotations"
WHEN = "2026-03-01T12:00:00Z"
LINE = "volumeClaimTemplates[data].spec.storageClassName: standard -> standard-rwo"


def entry(manager: str, *, wrote: str = "f:spec", **more: str) -> dict[str, Any]:
    fields: dict[str, Any] = {wrote: {"f:replicas": {}}}
    return {"manager": manager, "operation": "Update", "time": WHEN, "fieldsV1": fields} | more


def written_by(*entries: dict[str, Any], base: Snapshot | None = None) -> Snapshot:
    found: Snapshot = changed(base or healthy(), "statefulset/metadata/managedFields", [*entries])
    return found


def told(snapshot: Snapshot) -> list[Finding]:
    about = ("gitops", "operator", "helm")
    found = findings(snapshot, only=about)
    return [finding for finding in found if finding.severity is not Severity.PASSED]


@pytest.mark.parametrize(
    ("manager", "operation", "pause"),
    [
        ("argocd-controller", "Apply", "spec.syncPolicy.automated"),
        ("argocd-application-controller", "Update", "spec.syncPolicy.automated"),
        ("kustomize-controller", "Apply", "flux suspend kustomization"),
        ("helm-controller", "Update", "flux suspend helmrelease"),
        ("fleetagent", "Update", "Pause the GitRepo"),
    ],
)
def test_a_gitops_tool_that_wrote_the_spec_needs_acceptance_without_any_mark(
    manager: str, operation: str, pause: str
) -> None:
    (found,) = told(written_by(entry(manager, operation=operation)))

    assert (found.id, found.severity) == ("gitops", ACCEPT)
    assert f"{manager} wrote fields of its spec, last at {WHEN}" in found.message
    assert pause in found.resolution
    assert LINE in found.resolution


@pytest.mark.parametrize(
    "one",
    [
        entry("argocd-controller", wrote="f:metadata"),
        entry("argocd-controller", wrote="f:status", subresource="status"),
        entry("kustomize-controller", subresource="scale"),
        entry("kubectl-client-side-apply"),
        entry("kube-controller-manager", wrote="f:status", subresource="status"),
        entry("statefulset-csi-migration-tool"),
    ],
)
def test_who_did_not_write_the_spec_or_is_no_such_tool_is_not_told_of(one: dict[str, Any]) -> None:
    assert told(written_by(one)) == []


def test_a_tool_is_told_of_once_though_mark_and_record_name_it() -> None:
    marked = changed(healthy(), MARKS, {"argocd.argoproj.io/tracking-id": "shop:web"})
    marked = changed(marked, LABELS, {"argocd.argoproj.io/instance": "shop"})
    (found,) = told(written_by(entry("argocd-controller"), base=marked))

    assert (found.id, found.message) == ("gitops", "Argo CD manages it")


def test_two_tools_are_both_told_of() -> None:
    marked = changed(healthy(), MARKS, {"argocd.argoproj.io/tracking-id": "shop:web"})
    found = told(written_by(entry("kustomize-controller"), base=marked))

    assert [one.message.partition(" manages")[0] for one in found] == [
        "Argo CD",
        "Flux's kustomize-controller",
    ]


def test_argo_cds_own_label_marks_the_set_as_its() -> None:
    (found,) = told(changed(healthy(), LABELS, {"argocd.argoproj.io/instance": "shop"}))

    assert (found.id, found.severity) == ("gitops", ACCEPT)
    assert "spec.syncPolicy.automated" in found.resolution


def test_config_sync_is_known_by_its_annotation() -> None:
    marks = {"configsync.gke.io/resource-id": "apps_statefulset_shop_web"}
    (found,) = told(changed(healthy(), MARKS, marks))

    assert (found.id, found.severity) == ("gitops", ACCEPT)
    assert "configmanagement.gke.io/managed: disabled" in found.resolution


def test_the_label_that_many_set_is_no_mere_hint_if_argo_cd_wrote_the_spec() -> None:
    labelled = changed(healthy(), LABELS, {"app.kubernetes.io/instance": "shop"})

    assert [f.severity for f in told(labelled)] == [NOTE]
    assert [f.severity for f in told(written_by(entry("argocd-controller"), base=labelled))] == [
        ACCEPT
    ]


def test_a_paused_flux_that_only_the_record_names_is_a_warning() -> None:
    pausing = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    paused = changed(healthy(), LABELS, pausing)
    (found,) = told(written_by(entry("kustomize-controller"), base=paused))

    assert (found.id, found.severity) == ("gitops", WARNING)


@pytest.mark.parametrize(
    ("manager", "pause"),
    [
        ("postgres-operator", "scale its operator's Deployment to 0"),
        ("elastic-operator", 'eck.k8s.elastic.co/managed: "false"'),
        ("PrometheusOperator", "spec.paused: true"),
        ("shop-operator", "Pause the operator"),
        ("manager", "Pause the operator"),
    ],
)
def test_an_operator_that_wrote_the_spec_needs_acceptance(manager: str, pause: str) -> None:
    (found,) = told(written_by(entry(manager)))

    assert (found.id, found.severity) == ("operator", ACCEPT)
    assert f"{manager} wrote fields of its spec" in found.message
    assert pause in found.resolution


def test_a_set_of_zalandos_operator_is_known_by_its_label_and_told_of_once() -> None:
    spilo = changed(healthy(), LABELS, {"application": "spilo", "cluster-name": "acid"})
    (found,) = told(written_by(entry("postgres-operator"), base=spilo))

    assert (found.id, found.severity) == ("operator", ACCEPT)
    assert "Zalando's postgres-operator" in found.message
    assert "scale its operator's Deployment to 0" in found.resolution


def test_another_application_is_no_operators() -> None:
    assert told(changed(healthy(), LABELS, {"application": "shop"})) == []


@pytest.mark.parametrize("manager", ["helm", "terraform-provider-helm_v2.13.0_x5"])
def test_helm_is_known_by_what_it_wrote_where_its_annotation_is_missing(manager: str) -> None:
    (found,) = told(written_by(entry(manager)))

    assert (found.id, found.severity) == ("helm", WARNING)
    assert LINE in found.resolution


def test_fluxs_helm_controller_is_not_helm_itself() -> None:
    assert [f.id for f in told(written_by(entry("helm-controller")))] == ["gitops"]


def test_a_set_without_the_record_of_who_wrote_what_is_told_of_by_its_marks_alone() -> None:
    assert told(changed(healthy(), "statefulset/metadata/managedFields", None)) == []
