"""The plan survives the disk: what is read back is equal to what was planned."""

from __future__ import annotations

import json

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.plan_file import plan_bytes, plan_from
from tests.unit.snapshots import healthy


def test_a_plan_is_read_back_as_it_was() -> None:
    plan = plan_of(healthy())

    assert plan_from(plan_bytes(plan)) == plan


def test_a_person_can_read_it() -> None:
    found = json.loads(plan_bytes(plan_of(healthy())))

    assert found["plan"]["replicas"][0]["claims"][0]["file"]["path"]["datastore"]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema": 2, "plan": {}}', b"not json"])
def test_a_file_that_is_no_plan_of_this_version_is_refused(data: bytes) -> None:
    with pytest.raises(JournalUnreadable):
        plan_from(data)


def test_a_newer_schema_is_refused_by_name() -> None:
    found = json.loads(plan_bytes(plan_of(healthy())))

    with pytest.raises(JournalUnreadable) as refused:
        plan_from(json.dumps(found | {"schema": 2}).encode())
    assert "schema 2" in refused.value.details
