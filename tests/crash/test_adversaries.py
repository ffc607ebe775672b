"""Others work on the set's pods and on the cluster while a migration runs: it goes on by itself."""

from __future__ import annotations

from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path

import pytest

from lab.waiting import until
from tests.conftest import StartTrial
from tests.lab.adversarykit import (
    claim_leaving,
    drained,
    evict,
    pod_leaving,
    standing_still,
    uid,
)
from tests.lab.interruptkit import (
    PROVISIONER,
    QUICK,
    await_words,
    begun,
    bring_to,
    paused,
    started,
    stopped,
)
from tests.lab.labkit import Lab, Trial, finish
from tests.lab.refusalkit import told

WINDOWS = pytest.mark.parametrize("window", ["replica", "run"])
VANISHED = "web-0 vanished while the StatefulSet is away"


def is_back(made: Trial, pod: str, before: str) -> bool:
    """Whether the set's controller has made the pod anew."""
    found = made.pods().get(pod)
    owners = found["metadata"].get("ownerReferences", []) if found else []
    return found is not None and found["metadata"]["uid"] != before and bool(owners)


# Pods of other replicas ----------------------------------------------------------------


@WINDOWS
def test_a_pod_that_is_drained_in_a_window_gets_its_controller_back_first(
    trial: StartTrial, window: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool:
        with pod_leaving(made, tool), drained(made, "web-0") as before:
            # The pod in hand is still on its way out: nothing waits for it.
            until("web-0 made again", lambda: is_back(made, "web-0", before))
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    assert VANISHED in told(run)
    made.assert_migrated()


@WINDOWS
def test_a_pod_whose_node_is_lost_in_a_window_gets_its_controller_back_first(
    lab: Lab, trial: StartTrial, window: str
) -> None:
    """No kubelet ends such a pod: it stays on its way out, and the set does not wait for it."""
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool:
        with pod_leaving(made, tool):
            lost = uid(made, "Pod", "web-0")
            with paused(lab, "kubelet-user"):
                made.cluster.delete("Pod", "web-0", made.workload.namespace)
                until("the set is back", lambda: uid(made, "StatefulSet", "web") != "")
                assert made.pods()["web-0"]["status"]["phase"] == "Running"
                assert uid(made, "Pod", "web-0") == lost
            until("web-0 made again", lambda: is_back(made, "web-0", lost))
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    assert VANISHED in told(run)
    made.assert_migrated()


@WINDOWS
def test_a_pod_that_is_drained_in_mid_swap_comes_back_when_the_claims_are_whole(
    trial: StartTrial, window: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool:
        with claim_leaving(made, tool), drained(made, "web-0") as before:
            until("web-0 gone", lambda: "web-0" not in made.pods())
            assert uid(made, "StatefulSet", "web") == ""
        until("web-0 made again", lambda: is_back(made, "web-0", before))
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


@pytest.mark.parametrize("soak", ["0", "3"])
def test_a_pod_that_vanishes_between_two_swaps_of_one_window_comes_back(
    trial: StartTrial, soak: str
) -> None:
    made = trial(replicas=2)
    with started(made, "--soak-seconds", soak, "--window", "run") as tool:
        await_words(tool, "web-1 create-pod: done")
        with ExitStack() as drain:
            with standing_still(tool):
                before = drain.enter_context(drained(made, "web-0"))
                until("web-0 gone", lambda: "web-0" not in made.pods())
            until("web-0 made again", lambda: is_back(made, "web-0", before))
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


@pytest.mark.parametrize(("window", "end"), [("replica", "resume"), ("run", "rollback")])
def test_a_swap_that_was_killed_is_ended_before_a_pod_that_vanished_meanwhile_is_made(
    lab: Lab, trial: StartTrial, window: str, end: str
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK, "--window", window) as tool, ExitStack() as hung:
        with pod_leaving(made, tool, 0):
            hung.enter_context(paused(lab, "syncer-user"))
        await_words(tool, "CNS still has disk")
        tool.process.kill()
        tool.process.wait()
    made.cluster.delete("Pod", "web-1", made.workload.namespace)
    until("web-1 gone", lambda: "web-1" not in made.pods())
    bring_to(end, made)


# The pod in hand -----------------------------------------------------------------------


@WINDOWS
def test_the_pod_in_hand_is_made_again_when_somebody_deletes_it(
    trial: StartTrial, window: str
) -> None:
    made = trial(replicas=2)
    with started(made, *QUICK, "--window", window) as tool:
        await_words(tool, "web-1 create-pod: done")
        made.cluster.delete("Pod", "web-1", made.workload.namespace)
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


@WINDOWS
def test_a_replica_that_is_replaced_in_its_soak_is_held_anew(
    trial: StartTrial, tmp_path: Path, window: str
) -> None:
    made = trial(replicas=1)
    healthy = tmp_path / "healthy"
    command = ("--health-command", f"test -e {healthy}")
    with started(made, *QUICK, *command, "--window", window) as tool:
        await_words(tool, "web-0 soak: waiting")
        before = uid(made, "Pod", "web-0")
        made.cluster.delete("Pod", "web-0", made.workload.namespace)
        await_words(tool, "holding anew")
        healthy.touch()
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    assert uid(made, "Pod", "web-0") != before
    made.assert_migrated()


# Evictions -----------------------------------------------------------------------------


def test_a_budget_counts_no_pod_without_a_controller_and_refuses_the_eviction(
    trial: StartTrial,
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            until("the budget is closed", lambda: allowed(made) == 0)
            assert evict(made, "web-0") == HTTPStatus.TOO_MANY_REQUESTS
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    assert VANISHED not in told(run)
    made.assert_migrated()


def test_an_eviction_that_the_budget_allows_gets_the_controller_back_first(
    trial: StartTrial,
) -> None:
    made = trial(replicas=3)
    budget = {"spec": {"maxUnavailable": None, "minAvailable": 1}}
    made.cluster.patch("PodDisruptionBudget", "web", budget, made.workload.namespace)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            before = uid(made, "Pod", "web-0")
            until("evicted", lambda: evict(made, "web-0") == HTTPStatus.CREATED)
            until("web-0 made again", lambda: is_back(made, "web-0", before))
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    assert VANISHED in told(run)
    made.assert_migrated()


def allowed(made: Trial) -> int:
    budget = made.cluster.get("PodDisruptionBudget", "web", made.workload.namespace)
    return int(budget["status"]["disruptionsAllowed"])


# Controllers that go away --------------------------------------------------------------


def test_a_controller_manager_that_restarts_in_a_window_is_outlasted(
    lab: Lab, trial: StartTrial
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool:
        with pod_leaving(made, tool):
            lab.restart("kube-controller-manager-user")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_controller_manager_that_is_down_in_a_window_is_waited_for(
    lab: Lab, trial: StartTrial
) -> None:
    made = trial(replicas=2)
    with begun(made, *QUICK) as tool:
        with ExitStack() as down:
            # A pod that its kubelet has ended is detached even while a finalizer holds it.
            with paused(lab, "kubelet-user"):
                lab.resume(PROVISIONER)
                await_words(tool, "web-1 pod-gone: waiting")
                down.enter_context(stopped(lab, "kube-controller-manager-user"))
            # Only the controller-manager asks for the detachment.
            await_words(tool, "web-1 detached: waiting")
            assert uid(made, "PersistentVolumeClaim", "data-web-1")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()


def test_a_volume_whose_event_the_syncer_missed_is_registered_by_full_syncs(
    lab: Lab, trial: StartTrial
) -> None:
    made = trial(replicas=1, origin="by-path")
    with begun(made, *QUICK) as tool:
        with ExitStack() as down:
            with pod_leaving(made, tool):
                down.enter_context(stopped(lab, "syncer-user"))
            await_words(tool, "CNS does not know disk")
        run = finish(tool)
    assert run.exit_code == 0, str(run)
    made.assert_migrated()
