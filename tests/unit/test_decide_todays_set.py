"""A rollback goes by the set as it is today, and says what has to be cleared first."""

from __future__ import annotations

from typing import Any

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.decide.todays_set import (
    all_pods,
    claims_made_since,
    obstacles,
    plan_by,
    pods_made_since,
)
from csi_migration.model.objects import REVISION_LABEL, Raw, claim_templates_of, spec_changes
from tests.unit import snapshots
from tests.unit.snapshots import changed

PLAN = plan_of(snapshots.healthy())
NEW = "web-77aa"


def migrated() -> Raw:
    return PLAN.statefulset_manifest | {"status": snapshots.statefulset()["status"]}


def rolled_out() -> Raw:
    again: Raw = changed(migrated(), "status/updateRevision", NEW)
    again["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 7
    return again


def new_revision() -> Raw:
    template = rolled_out()["spec"]["template"] | {"$patch": "replace"}
    template["spec"]["containers"] = [{"name": "db", "image": "db:2"}]
    metadata = snapshots.metadata(NEW, namespace=snapshots.NAMESPACE)
    return {"metadata": metadata, "data": {"spec": {"template": template}}}


def pods(*revisions: str) -> dict[str, Raw]:
    found = {}
    for ordinal, revision in enumerate(revisions):
        pod = snapshots.pod(ordinal)
        labels = pod["metadata"]["labels"] | {REVISION_LABEL: revision}
        found[f"web-{ordinal}"] = changed(pod, "metadata/labels", labels)
    return found


def words(statefulset: Raw, *revisions: str) -> list[str]:
    found = obstacles(PLAN, statefulset, pods(*revisions))
    return [f"{each.message}: {each.resolution}" for each in found]


def test_a_set_that_nobody_changed_is_in_nobodys_way() -> None:
    assert words(migrated(), snapshots.REVISION, snapshots.REVISION) == []


def test_the_set_of_today_comes_back_with_the_claim_templates_of_the_backup() -> None:
    today = changed(migrated(), "spec/updateStrategy", {"type": "OnDelete"})

    plan = plan_by(PLAN, today, None)

    assert spec_changes(today, plan.original) == ()
    assert claim_templates_of(plan.original) == claim_templates_of(PLAN.original)
    assert plan.replicas == PLAN.replicas


def test_after_a_rollout_the_pods_are_those_of_the_new_revision() -> None:
    plan = plan_by(PLAN, rolled_out(), new_revision())

    assert plan.revision == NEW
    for replica, planned in zip(plan.replicas, PLAN.replicas, strict=True):
        made, first = replica.pod_manifest, planned.pod_manifest
        assert made["metadata"]["labels"] == first["metadata"]["labels"] | {REVISION_LABEL: NEW}
        assert made["spec"]["containers"] == [{"name": "db", "image": "db:2"}]
        assert made["spec"]["volumes"] == first["spec"]["volumes"]
        assert replica.grace_seconds == 7
        assert replica.claims == planned.claims


@pytest.mark.parametrize(
    ("revisions", "behind"),
    [((snapshots.REVISION, NEW), "web-0 is at"), ((NEW, snapshots.REVISION), "web-1 is at")],
)
def test_a_rollout_that_has_not_ended_is_in_the_way(
    revisions: tuple[str, ...], behind: str
) -> None:
    (only,) = words(rolled_out(), *revisions)
    assert f"{behind} {snapshots.REVISION}" in only
    assert "rollout undo statefulset web" in only


def test_a_pod_that_is_away_holds_no_rollout_back() -> None:
    assert words(rolled_out(), NEW) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"replicas": 1}, ("no longer has web-1,", "--replicas=2`")),
        ({"replicas": 0}, ("no longer has web-0, web-1,", "--replicas=2`")),
        (
            {"ordinals": {"start": 1}},
            ("no longer has web-0,", "spec.ordinals.start back to 0 and spec.replicas to 2"),
        ),
    ],
)
def test_a_set_that_was_scaled_down_has_to_be_scaled_back(
    spec: dict[str, Any], says: tuple[str, ...]
) -> None:
    today = migrated()
    today["spec"] = today["spec"] | spec
    told = words(today)
    assert len(told) == 1
    for each in says:
        assert each in told[0]


def test_replicas_that_were_made_since_are_known_but_not_planned() -> None:
    plan = plan_by(PLAN, changed(migrated(), "spec/replicas", 4), None)

    assert [replica.pod for replica in plan.replicas] == ["web-1", "web-0"]
    assert pods_made_since(plan) == ("web-2", "web-3")
    assert claims_made_since(plan) == ("data-web-2", "data-web-3")
    assert all_pods(plan) == ("web-1", "web-0", "web-2", "web-3")


def test_no_replica_is_made_since_by_the_plan_of_the_backup() -> None:
    assert pods_made_since(PLAN) == claims_made_since(PLAN) == ()
