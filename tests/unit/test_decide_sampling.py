"""Which replicas of a large set have their objects tried."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.decide.sampling import is_sampled, representatives
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.snapshot import Snapshot
from tests.unit import snapshots
from tests.unit.snapshots import Raw


def healthy(replicas: int) -> Snapshot:
    found = snapshots.healthy()
    ordinals = range(replicas)
    return replace(
        found,
        statefulset=snapshots.changed(found.statefulset, "spec/replicas", replicas),
        pods={o: snapshots.pod(o) for o in ordinals},
        claims={f"data-web-{o}": snapshots.claim(o) for o in ordinals},
        volumes={f"pvc-{o}": snapshots.volume(o) for o in ordinals},
        disks={f"data-web-{o}": snapshots.look(o) for o in ordinals},
    )


def ordinals(plan: MigrationPlan) -> list[int]:
    return [replica.ordinal for replica in representatives(plan)]


@pytest.mark.parametrize(("replicas", "sampled"), [(33, False), (34, True)])
def test_a_set_is_sampled_from_its_hundred_and_first_object_on(
    replicas: int, *, sampled: bool
) -> None:
    plan = plan_of(healthy(replicas))
    assert is_sampled(plan) is sampled
    assert (len(ordinals(plan)) < replicas) is sampled


def test_the_first_and_the_last_stand_for_a_uniform_set() -> None:
    assert ordinals(plan_of(healthy(500))) == [499, 0]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("claims", ("metadata", "labels", "owner", "somebody")),
        ("claims", ("spec", "resources", "requests", {"storage": "2Gi"})),
        ("volumes", ("spec", "mountOptions", None, ["noatime"])),
    ],
)
def test_whatever_differs_in_more_than_names_is_tried_itself(
    kind: str, change: tuple[str, str, str | None, object]
) -> None:
    snapshot = healthy(60)
    items = getattr(snapshot, kind)
    name = "data-web-7" if kind == "claims" else "pvc-7"
    other = replace(snapshot, **{kind: items | {name: with_change(items[name], change)}})
    assert ordinals(plan_of(other)) == [59, 7, 0]


def with_change(item: Raw, change: tuple[str, str, str | None, object]) -> Raw:
    again = copy.deepcopy(item)
    part, field, key, value = change
    if key is None:
        again[part][field] = value
    else:
        again[part].setdefault(field, {})[key] = value
    return again
