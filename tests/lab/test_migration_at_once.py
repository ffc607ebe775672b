"""Several replicas at once: with a set and a budget that allow it, and never more than asked."""

from __future__ import annotations

import json
import signal

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.every_migration import EveryMigration
from tests.lab.interruptkit import (
    QUICK,
    assert_nothing_lost,
    await_words,
    begun,
    bring_to,
    held,
    paused,
    started,
    volume_sources,
)
from tests.lab.labkit import Lab, Trial, finish
from tests.lab.migration import Migration
from tests.lab.refusalkit import assert_refusal, told
from tests.lab.witness import ADDED, DELETED

TWO = ("--max-unavailable", "2")
FOUR = {"replicas": 4, "pod_management": "Parallel", "max_unavailable": 2}


def most_away(made: Trial) -> int:
    pods = set(made.workload.pod_names)
    return max(len(pods - sample.ready) for sample in made.observer.samples)


class _TwoAtOnce(EveryMigration, namespace="unused"):
    """Two by two, from the highest ordinals down."""

    __test__ = False

    def test_swaps_each_replica_once_from_the_highest_ordinal_down(
        self, migration: Migration
    ) -> None:
        pods = migration.swapped_first
        first, second = set(pods[:2]), set(pods[2:])
        came, went = (
            {pod: migration.moment("Pod", pod, change) for pod in pods}
            for change in (ADDED, DELETED)
        )
        assert max(came[pod] for pod in first) < min(went[pod] for pod in second)
        for one, other in (pods[:2], pods[2:]):
            assert went[one] < came[other]
            assert went[other] < came[one]

    def test_takes_no_more_replicas_away_at_a_time_than_asked_for(
        self, migration: Migration
    ) -> None:
        assert most_away(migration.trial) == 2


class TestTwoAtOnceInAWindowOfTheirOwn(
    _TwoAtOnce, namespace="two-at-once", claims=("data", "logs"), options=TWO, **FOUR
):
    __test__ = True

    def test_brings_the_set_back_after_each_pair(self, migration: Migration) -> None:
        first, last = migration.witness.of("StatefulSet", migration.workload.name, ADDED)
        pods = migration.swapped_first
        went = [migration.moment("Pod", pod, DELETED) for pod in pods]
        came = [migration.moment("Pod", pod, ADDED) for pod in pods]
        assert max(came[:2]) < first.revision < min(went[2:])
        assert max(came[2:]) < last.revision


class TestTwoAtOnceInOneWindow(
    _TwoAtOnce, namespace="two-in-one-window", window="run", options=TWO, **FOUR
):
    __test__ = True


def test_a_set_that_starts_in_order_is_refused_several_at_once(trial: StartTrial) -> None:
    made = trial(replicas=2, max_unavailable=2)
    refused = made.migrate(*TWO)
    assert_refusal(refused, 3, "its podManagementPolicy is OrderedReady", "[parallel]")


def test_a_budget_without_room_for_several_is_told_before_anything_happens(
    trial: StartTrial,
) -> None:
    made = trial(replicas=3, pod_management="Parallel", max_unavailable=1)
    refused = made.migrate(*TWO)
    assert_refusal(refused, 3, "fewer than --max-unavailable 2", "[disruption-budget]")


@pytest.mark.parametrize("end", ["resume", "rollback"])
@pytest.mark.parametrize("window", ["replica", "run"])
def test_a_run_that_is_killed_with_one_of_two_through_is_taken_up(
    trial: StartTrial, end: str, window: str
) -> None:
    made = trial(**FOUR)
    with (
        begun(made, *QUICK, *TWO, "--window", window) as tool,
        held(made, "PersistentVolumeClaim", "data-web-3"),
    ):
        await_words(tool, "web-2 create-pod")
        tool.process.kill()
        finish(tool)
    bring_to(end, made)
    assert most_away(made) == 2


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_two_whose_claims_are_both_missing_come_back_together(
    lab: Lab, trial: StartTrial, end: str
) -> None:
    made = trial(**FOUR)
    # While CNS has the old volumes no new one is made, however far the other has come.
    with started(made, *QUICK, *TWO) as tool, paused(lab, "syncer-user"):
        await_words(tool, "web-3 delete-volume")
        await_words(tool, "web-2 delete-volume")
        tool.process.kill()
        finish(tool)
    namespace = made.workload.namespace
    until("the claims are gone", lambda: not _claims(made, "data-web-3", "data-web-2"))
    assert made.cluster.find("StatefulSet", "web", namespace) is None
    bring_to(end, made)


def _claims(made: Trial, *names: str) -> list[str]:
    found = made.cluster.list("PersistentVolumeClaim", made.workload.namespace)
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"] in names]


def test_a_signal_stops_after_those_in_hand(trial: StartTrial) -> None:
    made = trial(**FOUR)
    with begun(made, *QUICK, *TWO) as tool:
        with held(made, "Pod", "web-3"):
            await_words(tool, "web-3 pod-gone: waiting")
            tool.signal(signal.SIGTERM)
            await_words(tool, "Stopping at the next safe point")
        run = finish(tool)
    assert run.exit_code == 5, str(run)
    assert "is in place" in told(run)
    moved = {name for name, source in volume_sources(made).items() if source == "CSI"}
    assert moved == {"data-web-3", "data-web-2"}
    assert_nothing_lost(made)
    assert most_away(made) == 2


def test_one_that_is_stuck_does_not_hold_up_the_other(trial: StartTrial) -> None:
    """It is undone when the other is through, and the set comes back."""
    made = trial(**FOUR)
    with begun(made, *QUICK, *TWO, "--ready-timeout", "5") as tool:
        with held(made, "Pod", "web-3"):
            await_words(tool, "web-2 create-pod")
        run = finish(tool)
    assert run.exit_code in (0, 5), str(run)
    resumed = made.resume("--ready-timeout", "900")
    assert resumed.exit_code == 0, str(resumed)
    made.assert_migrated()


def test_the_plan_tells_of_several_at_once(trial: StartTrial) -> None:
    made = trial(**FOUR)
    run = made.run_tool("rolling-migration", "plan", *made.options, *TWO, "-o", "json")
    assert run.exit_code == 0, str(run)
    plan = json.loads(run.stdout)
    assert plan["maxUnavailable"] == 2
    closed = [step for step in plan["steps"] if step["action"] == "close-window"]
    assert [step["replica"] for step in closed] == ["", ""]


@pytest.mark.parametrize("moment", ["web-2 delete-pod", "web-2 delete-volume"])
def test_a_pod_that_is_drained_meanwhile_gets_its_controller_back(
    trial: StartTrial, moment: str
) -> None:
    """Those in hand turn back or go on first; nobody waits for the other."""
    made = trial(**FOUR)
    with started(made, *QUICK, *TWO) as tool:
        await_words(tool, moment)
        made.cluster.delete("Pod", "web-0", made.workload.namespace)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


@pytest.mark.parametrize("most", ["1", "2"])
def test_what_was_killed_at_different_points_is_taken_up_with_less_at_once_too(
    trial: StartTrial, most: str
) -> None:
    made = trial(**FOUR)
    with (
        begun(made, *QUICK, *TWO) as tool,
        held(made, "PersistentVolumeClaim", "data-web-3"),
    ):
        await_words(tool, "web-2 create-claim")
        tool.process.kill()
        finish(tool)
    run = made.resume("--max-unavailable", most)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_more_at_once_than_a_run_was_begun_with_is_refused(trial: StartTrial) -> None:
    made = trial(**FOUR)
    with started(made, *QUICK) as tool:
        await_words(tool, "web-3 delete-pod")
        tool.process.kill()
        finish(tool)
    assert_refusal(made.resume(*TWO), 2, "more than preflight looked at", "was begun with 1")
    assert made.resume().exit_code == 0
    made.assert_migrated()
