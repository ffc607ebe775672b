"""A set that was created again belongs to whom it belonged before."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.ownership import (
    MARKER,
    Entries,
    fields_v1,
    is_given_back,
    is_same_ownership,
    ownership_to_write,
    paths,
)
from csi_migration.model.objects import FIELD_MANAGER, is_made_by_tool
from tests.unit import snapshots
from tests.unit.snapshots import Raw, changed

REPLICAS, IMAGE, OWNER = "f:spec/f:replicas", "f:spec/f:image", "f:metadata/f:labels/f:owner"
TEMPLATES = "f:spec/f:volumeClaimTemplates"
EVERYTHING = (REPLICAS, IMAGE, OWNER, "f:metadata/f:labels", TEMPLATES)

PATHS = st.frozensets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x.y"}']), min_size=1, max_size=4).map(tuple)
)


def entry(manager: str, *fields: str, **more: str) -> Raw:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(tuple(field.split("/")) for field in fields),
        "time": "2026-01-01T00:00:00Z",
    } | more


def owned(*entries: Raw) -> Raw:
    made: Raw = changed(snapshots.statefulset(), "metadata/managedFields", list(entries))
    return made


GITOPS = entry("gitops", REPLICAS, IMAGE, OWNER, TEMPLATES, operation="Apply")
LABELLER = entry("kubectl-label", OWNER)
SCALER = entry("autoscaler", REPLICAS, subresource="scale")
OLD_STATUS = entry("controller", "f:status/f:collisionCount", subresource="status")
NEW_STATUS = entry("controller", "f:status/f:replicas", subresource="status", time="2026-02-02")
OURS = entry(FIELD_MANAGER, *EVERYTHING)

BEFORE = owned(GITOPS, LABELLER, SCALER, OLD_STATUS)


def written(before: Raw, *live: Raw, marked: bool = False) -> Entries:
    return ownership_to_write(before, owned(*live), marked=marked)


def test_the_owners_come_back_and_the_status_belongs_to_who_wrote_it_anew() -> None:
    wanted = [GITOPS, LABELLER, SCALER, NEW_STATUS]

    assert written(BEFORE, NEW_STATUS, OURS) == wanted
    assert written(BEFORE, OURS) == wanted[:-1]
    assert written(BEFORE, NEW_STATUS, OURS, marked=True) == [*wanted, MARKER]


def test_the_tool_knows_its_set_by_the_marker_only() -> None:
    assert is_made_by_tool(owned(*written(BEFORE, OURS, marked=True)))
    assert not is_made_by_tool(owned(*written(BEFORE, OURS)))


def test_a_set_whose_owners_are_still_to_come_back_is_known() -> None:
    assert not is_given_back(owned(OURS, NEW_STATUS))
    assert is_given_back(owned(GITOPS, MARKER))
    assert is_given_back(BEFORE)


def test_the_marker_survives_the_servers_limit_of_update_entries() -> None:
    assert MARKER["operation"] == "Apply"


def test_what_the_tool_left_on_the_set_before_is_no_owner() -> None:
    before = owned(GITOPS, MARKER, OURS)

    assert written(before, OURS) == [GITOPS]


def test_with_the_marker_on_the_live_set_only_the_live_owners_count() -> None:
    later = entry("kubectl-edit", IMAGE)

    assert written(BEFORE, GITOPS, later, NEW_STATUS, MARKER) == [GITOPS, later, NEW_STATUS]
    assert written(BEFORE, GITOPS, later) == [GITOPS, later]


def test_a_field_that_somebody_removed_since_comes_back_to_nobody() -> None:
    without_label = entry("gitops", REPLICAS, IMAGE, TEMPLATES, operation="Apply")

    assert written(BEFORE, without_label, SCALER, MARKER) == [without_label, SCALER]


def test_a_field_that_somebody_changed_since_its_creation_is_his() -> None:
    ours = entry(FIELD_MANAGER, *(field for field in EVERYTHING if field != REPLICAS))
    scaler = entry("kubectl", REPLICAS, subresource="scale")

    gitops = entry("gitops", IMAGE, OWNER, TEMPLATES, operation="Apply")
    assert written(BEFORE, ours, scaler) == [gitops, LABELLER, scaler]


def test_a_field_that_somebody_applied_with_the_same_value_has_two_owners() -> None:
    another = entry("another", REPLICAS, operation="Apply")

    assert written(owned(GITOPS), OURS, another) == [GITOPS, another]


def test_an_owner_who_wrote_again_has_one_entry() -> None:
    # The server keeps only the last of two entries of one identity.
    again = entry("gitops", REPLICAS, operation="Apply", apiVersion="apps/v2", time="2026-03-03")

    (one,) = written(owned(GITOPS), OURS, again)
    assert one["time"] == "2026-03-03"
    assert set(paths(one["fieldsV1"])) == set(paths(GITOPS["fieldsV1"]))


def test_a_set_that_nobody_owned_is_owned_by_nobody() -> None:
    assert written(owned(), OURS) == []
    assert written(owned({}), OURS) == []
    assert written(changed(BEFORE, "metadata/managedFields", None), OURS) == []


def test_the_order_of_entries_and_fields_means_nothing() -> None:
    backwards = json.loads(json.dumps(GITOPS), object_pairs_hook=lambda p: dict(reversed(p)))

    assert is_same_ownership([GITOPS, SCALER], [SCALER, backwards])
    assert not is_same_ownership([GITOPS, SCALER], [GITOPS])
    assert not is_same_ownership([GITOPS], [GITOPS | {"time": "2026-03-03"}])
    assert not is_same_ownership([GITOPS], [GITOPS | {"fieldsV1": {"f:spec": {}}}])


@given(PATHS)
def test_fields_are_written_as_they_are_read(members: frozenset[tuple[str, ...]]) -> None:
    assert frozenset(paths(fields_v1(members))) == members


MANAGERS = st.sampled_from(["gitops", "helm", "kubectl-edit"])
ENTRIES = st.lists(
    st.builds(
        entry,
        MANAGERS,
        st.sampled_from(EVERYTHING),
        operation=st.sampled_from(["Apply", "Update"]),
        subresource=st.sampled_from(["", "scale", "status"]),
        time=st.sampled_from(["2026-01-01", "2026-03-03"]),
    ),
    unique_by=lambda e: (e["manager"], e["operation"], e["subresource"]),
)


@given(before=ENTRIES, since=ENTRIES, kept=st.sets(st.sampled_from(EVERYTHING)))
def test_giving_back_twice_is_giving_back_once(
    before: list[Any], since: list[Any], kept: set[str]
) -> None:
    old = owned(*before)
    marked = written(old, *since, entry(FIELD_MANAGER, *kept, TEMPLATES, IMAGE), marked=True)

    assert is_same_ownership(written(old, *marked, marked=True), marked)
    assert is_same_ownership([*written(old, *marked), MARKER], marked)
    assert written(old, *written(old, *marked)) == written(old, *marked)


@given(before=ENTRIES)
def test_when_nobody_wrote_since_exactly_the_old_owners_come_back(before: list[Any]) -> None:
    specified = [one for one in before if one["subresource"] != "status"]

    assert written(owned(*before), OURS) == specified
    assert written(owned(*before), OURS, NEW_STATUS) == [*specified, NEW_STATUS]
