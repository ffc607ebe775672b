from __future__ import annotations

from typing import Any

import pytest

from csi_migration.model.objects import spec_changes

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
