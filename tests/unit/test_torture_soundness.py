"""What all cases are compared with is itself held against what a migration must come to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.torture.endstate import State
from tests.torture.soundness import lost, misplaced

METADATA = {"labels": {"team": "shop"}, "annotations": {"on-call": "ann", "lab/nudge": "1"}}


def migrated(**changed: Any) -> State:
    volume = {"csi": {"volumeHandle": "fcd-of-data-web-0"}, "mountOptions": ["noatime"]}
    made: State = {
        "PersistentVolumeClaim data-web-0": {"metadata": METADATA},
        "PersistentVolume pv-of-data-web-0": {"metadata": METADATA, "spec": volume},
        "FirstClassDisk fcd-of-data-web-0": {"spec": {"keepAfterDeleteVm": True}},
        "CnsVolume fcd-of-data-web-0": {},
    }
    return made | changed


def test_a_migration_that_came_to_its_end_is_sound() -> None:
    assert list(misplaced(migrated())) == []
    assert list(lost(migrated(), migrated())) == []


@pytest.mark.parametrize(
    ("name", "item", "what"),
    [
        ("FirstClassDisk fcd-of-data-web-0", {"spec": {"keepAfterDeleteVm": False}}, "protected"),
        (
            "PersistentVolume pv-of-data-web-0",
            {"spec": {"csi": {"volumeHandle": "fcd-of-data-web-1"}}},
            "on its own disk",
        ),
        ("CnsVolume fcd-of-data-web-0", None, "in CNS"),
    ],
)
def test_a_claim_that_is_not_where_it_belongs_is_told(name: str, item: Any, what: str) -> None:
    found = migrated(**{name: item})
    if item is None:
        del found[name]
    assert list(misplaced(found)) == [f"data-web-0 is not {what}"]


def test_what_a_person_gave_and_is_gone_is_told() -> None:
    bare: State = {"metadata": {}, "spec": {}}
    volume = "PersistentVolume pv-of-data-web-0"
    assert list(lost(migrated(), migrated(**{volume: bare}))) == [
        f"{volume} has lost annotation on-call: ann",
        f"{volume} has lost label ('team', 'shop')",
        f"{volume} has lost mount option noatime",
    ]
