from __future__ import annotations

from typing import Any

import pytest

from csi_migration.model.objects import FIELD_MANAGER, changed_fields, spec_changes

THEN = {"replicas": 2, "template": {"metadata": {}}, "volumeClaimTemplates": [1]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ()),
        ({"volumeClaimTemplates": [2]}, ()),
        ({"replicas": 3}, ("spec.replicas is 3 instead of 2",)),
        ({"minReadySeconds": 5}, ("spec.minReadySeconds is 5 instead of None",)),
        (
            {"replicas": 0, "template": {"spec": {}}},
            ("spec.replicas is 0 instead of 2", "spec.template is another one"),
        ),
    ],
    ids=["nothing", "claim templates", "scale", "new field", "template"],
)
def test_a_sets_changes_are_named_but_not_its_templates(
    change: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert spec_changes({"spec": {**THEN, **change}}, {"spec": THEN}) == words


# What a newer control plane writes into a spec ------------------------------------------

STRATEGY: dict[str, Any] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
BACKED_UP: dict[str, Any] = {"spec": {**THEN, "updateStrategy": STRATEGY}}
DEFAULTED: dict[str, Any] = {
    **BACKED_UP["spec"],
    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"},
    "updateStrategy": {**STRATEGY, "rollingUpdate": {"partition": 0, "maxUnavailable": 1}},
}
RETENTION: dict[str, Any] = {
    "f:persistentVolumeClaimRetentionPolicy": {".": {}, "f:whenDeleted": {}}
}
NEW_NESTED: dict[str, Any] = {"f:updateStrategy": {"f:rollingUpdate": {"f:maxUnavailable": {}}}}
REPLICAS: dict[str, Any] = {"f:replicas": {}, "f:updateStrategy": {"f:type": {}}}


def owned(spec: dict[str, Any], *owners: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    entries = [{"manager": by, "fieldsV1": {"f:spec": fields}} for by, fields in owners]
    return {"metadata": {"managedFields": entries}, "spec": spec}


@pytest.mark.parametrize(
    ("owners", "changed"),
    [
        ([("kubectl", REPLICAS)], []),
        ([("kubectl", REPLICAS), (FIELD_MANAGER, RETENTION | NEW_NESTED)], []),
        ([("kubectl", REPLICAS), ("helm", RETENTION)], ["persistentVolumeClaimRetentionPolicy"]),
        ([("helm", NEW_NESTED)], ["updateStrategy"]),
        ([("helm", {"f:updateStrategy": {}})], ["updateStrategy"]),
        ([], ["persistentVolumeClaimRetentionPolicy", "updateStrategy"]),
    ],
    ids=["nobody's", "the tool's", "somebody's", "somebody's within", "a whole", "no record"],
)
def test_a_new_field_counts_only_if_somebody_owns_it(
    owners: list[tuple[str, dict[str, Any]]], changed: list[str]
) -> None:
    assert changed_fields(owned(DEFAULTED, *owners), BACKED_UP) == changed


@pytest.mark.parametrize(
    "spec",
    [
        {**DEFAULTED, "replicas": 3},
        {**DEFAULTED, "template": {"metadata": {}, "spec": {}}},
        {k: v for k, v in DEFAULTED.items() if k != "updateStrategy"},
    ],
    ids=["another value", "within the pod template", "a field that is gone"],
)
def test_whatever_the_backup_has_counts_whoever_owns_it(spec: dict[str, Any]) -> None:
    assert len(changed_fields(owned(spec, ("kubectl", {"f:x": {}})), BACKED_UP)) == 1
