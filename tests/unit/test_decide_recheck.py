"""What is looked at again before a replica leaves: that replica, and what forbids it to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csi_migration.decide.catalogue import CHECKS
from csi_migration.decide.recheck import AGAIN, objections, of_one_replica
from csi_migration.model.finding import Severity
from csi_migration.model.objects import ordinals_of
from csi_migration.model.snapshot import Snapshot
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy


def of(ordinal: int, snapshot: Snapshot) -> Snapshot:
    alone = of_one_replica(snapshots.statefulset(), ordinal)
    found: Snapshot = changed(snapshot, "statefulset/spec", alone["spec"])
    return found


def test_a_sound_replica_may_leave() -> None:
    assert list(objections(of(1, healthy()))) == []


@pytest.mark.parametrize(("ordinal", "count"), [(0, 1), (1, 0)])
def test_only_the_replica_in_question_counts(ordinal: int, count: int) -> None:
    held = changed(healthy(), "claims/data-web-0/spec/accessModes", ["ReadWriteMany"])
    found = list(objections(of(ordinal, held)))

    assert len(found) == count
    assert all(words.endswith("[access-modes]") for words in found)


def test_what_only_needs_acceptance_was_accepted_before() -> None:
    assert list(objections(of(0, changed(healthy(), "unseen_controllers", ("jobs.batch",))))) == []


def test_a_snapshot_of_the_nodes_vm_keeps_the_replica_here_unless_accepted() -> None:
    machine = replace(healthy().machines["node-1"], has_snapshot=True)
    taken = of(0, replace(healthy(), machines={"node-1": machine}))
    (objection,) = objections(taken)
    assert objection.endswith("[machine-snapshots]")
    request = replace(taken.request, accepted=frozenset({"machine-snapshots"}))
    assert list(objections(replace(taken, request=request))) == []


def test_every_check_that_is_made_again_can_forbid() -> None:
    found = {check.id: check.severity for check in CHECKS if check.id in AGAIN}

    assert found.keys() == AGAIN
    assert set(found.values()) == {Severity.BLOCKER, Severity.NEEDS_ACCEPTANCE}


def test_a_set_of_one_replica_has_that_ordinal() -> None:
    assert list(ordinals_of(of_one_replica(snapshots.statefulset(), 7))) == [7]
