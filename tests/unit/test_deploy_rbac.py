"""What is granted in deploy/ is what the tool asks for, no more and no less."""

from __future__ import annotations

from pathlib import Path

import yaml

from csi_migration.decide.permissions import (
    COMPLETING,
    INVENTORY,
    INVENTORY_COMPLETING,
    READING,
    WRITING,
)
from csi_migration.model.objects import FEATURE_STATES

_ROLES = Path(__file__).parents[2] / "deploy" / "rbac-user-cluster.yaml"


def _rules(role: str, file: Path = _ROLES) -> list[dict[str, list[str]]]:
    documents = yaml.safe_load_all(file.read_text())
    found: list[dict[str, list[str]]] = next(d for d in documents if d["metadata"]["name"] == role)[
        "rules"
    ]
    return found


def _granted(role: str, file: Path = _ROLES) -> set[tuple[str, str, str]]:
    return {
        (verb, group, resource)
        for rule in _rules(role, file)
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def _asked(*, namespaced: bool) -> set[tuple[str, str, str]]:
    every = (*READING, *COMPLETING, *WRITING)
    return {(p.verb, p.group, p.resource) for p in every if p.namespaced is namespaced}


def test_the_namespaced_role_grants_what_is_asked_for() -> None:
    assert _granted("statefulset-csi-migration-tool-namespace") == _asked(namespaced=True)


def test_the_cluster_role_grants_what_is_asked_for() -> None:
    assert _granted("statefulset-csi-migration-tool-cluster") == _asked(namespaced=False)


def test_the_role_of_the_drivers_namespace_is_for_what_is_read_there_by_name() -> None:
    rules = _rules("statefulset-csi-migration-tool-vcenter")
    assert {(*rule["resources"], *rule["resourceNames"], *rule["verbs"]) for rule in rules} == {
        ("deployments", "vsphere-csi-controller", "get"),
        ("secrets", "vsphere-config-secret", "get"),
        ("configmaps", FEATURE_STATES, "get"),
    }


def test_the_inventorys_role_grants_what_it_lists() -> None:
    granted = _granted(
        "statefulset-csi-migration-tool-inventory", _ROLES.with_name("rbac-inventory.yaml")
    )
    assert granted == {(p.verb, p.group, p.resource) for p in (*INVENTORY, *INVENTORY_COMPLETING)}
