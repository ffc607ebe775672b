"""No wait is endless, and one that was too long says for what, and where to look."""

from __future__ import annotations

import math
from unittest.mock import MagicMock, Mock

import pytest

from csi_migration.engine.facts import Facts
from csi_migration.engine.lease import LeaseLost
from csi_migration.engine.run import Options, Run, WaitedTooLong, Waiter, timeout_of
from csi_migration.engine.waits import Waits
from csi_migration.engine.ways_out import way_out_of_wait
from csi_migration.kube import Forbidden, NotSent
from csi_migration.model.errors import ExitCode
from csi_migration.model.step import AwaitIt, Wait
from tests.unit.replica_world import replica_plan

PLAN = Mock(namespace="shop", statefulset="web")


@pytest.mark.parametrize("wait", list(Wait))
def test_every_wait_ends_and_names_a_place_to_look_at(wait: Wait) -> None:
    limit = timeout_of(wait, Options(), grace_seconds=30, replicas=3)

    assert 0 < limit < math.inf
    assert way_out_of_wait(PLAN, replica_plan("data"), AwaitIt(wait, "", "data")).endswith(".")


def test_a_volume_that_is_never_let_go_may_be_the_drivers_own_doing() -> None:
    step = AwaitIt(Wait.UNREGISTERED, "", "data")
    assert "improved-volume-visibility" in way_out_of_wait(PLAN, replica_plan("data"), step)


def test_a_claim_that_never_goes_stops_the_run_with_its_name() -> None:
    step = AwaitIt(Wait.CLAIM_GONE, "claim data is going away", "data")
    way_out = way_out_of_wait(PLAN, replica_plan("data"), step)
    waiter = Waiter(Mock(is_large=False), "web-2", step.wait.value, -1.0, way_out)

    with pytest.raises(WaitedTooLong, match="web-2: waited 0 s for: claim data is") as raised:
        waiter.pause(step.reason)
    assert raised.value.exit_code is ExitCode.STOPPED
    assert "kubectl -n shop get pvc data -o jsonpath='{.metadata.finalizers}'" in (
        raised.value.resolution
    )


@pytest.mark.parametrize(
    ("is_large", "own_rest", "seconds"),
    [(False, False, 0.1), (False, True, 0.1), (True, False, 0.5), (True, True, 0.1)],
)
def test_only_looks_at_all_of_a_large_set_are_rarer(
    monkeypatch: pytest.MonkeyPatch, *, is_large: bool, own_rest: bool, seconds: float
) -> None:
    """What asks for one thing is as quick in a set of a hundred as in one of three."""
    rested: list[float] = []
    monkeypatch.setattr("time.sleep", rested.append)
    waiter = Waiter(Mock(is_large=is_large), "web-2", "unregistered", 60.0, "")
    if own_rest:
        waiter.pause("CNS still has the disk", rested.append)
    else:
        waiter.pause("web-1 is not Ready")
    assert rested == [seconds]


def test_the_lease_is_kept_in_each_round_of_a_wait_and_a_lost_one_ends_it() -> None:
    """The longest wait takes more than an hour, a Lease lives for a minute."""
    run = Mock(is_large=False)
    run.lease.keep.side_effect = [None, None, LeaseLost("taken over by ann@laptop pid 7")]
    rested: list[float] = []
    waiter = Waiter(run, "web-2", "unregistered", 60.0, "")
    for _ in range(2):
        waiter.pause("CNS still has the disk", rested.append)
    with pytest.raises(LeaseLost):
        waiter.pause("CNS still has the disk", rested.append)
    assert len(rested) == 2


def test_what_a_server_was_away_for_counts_against_no_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    waiter = Waiter(Mock(is_large=False), "web-2", "bound", 300.0, "")
    now[0] += 290
    waiter.leave_out(240)
    assert waiter.seconds == 50
    waiter.leave_out(1000)
    assert waiter.seconds == 0


def test_what_is_only_a_convenience_is_waited_for_less_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    run = Run(Mock(), MagicMock(), Options(), Mock(), Mock(), Mock(), Mock())
    look = Mock(side_effect=Forbidden("no", status=403))

    with pytest.raises(WaitedTooLong, match="waited 30 s"):
        run.patiently("web-0", look, timeout=30.0)
    with pytest.raises(WaitedTooLong, match="waited 300 s"):
        run.patiently("web-0", look)


def test_what_was_seen_of_disks_before_an_outage_is_old_after_it() -> None:
    """A snapshot, or another VM, may have taken a disk meanwhile."""
    facts = Facts(attached_by=(), disks={"data": None}, disk_ids={"data": "fcd-1"})
    waits = Waits(MagicMock(), replica_plan("data"), Mock(facts=facts))
    waits.for_a_server(NotSent("nobody answers"))
    assert facts == Facts(disk_ids={"data": "fcd-1"})
