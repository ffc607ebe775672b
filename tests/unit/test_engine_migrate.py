"""How a run begins that takes another one up, and what it leaves if it ends early."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.engine import ending, migrate
from csi_migration.engine.migrate import Migration
from csi_migration.engine.recheck import Recheck
from csi_migration.engine.run import Options, Run
from csi_migration.engine.soak import Soak
from csi_migration.engine.standing import Side, Standing
from csi_migration.journal.plan_file import PLAN
from csi_migration.journal.record import Intent, ObjectRef
from csi_migration.kube import ReadFailed, resources
from csi_migration.model.errors import ExitCode, NeedsPerson, Stopped, ToolError
from csi_migration.model.plan import ReplicaPlan, Window
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster


def stops(*_: Any) -> None:
    raise Stopped("it can't go on")


THERE = Standing(Side.IN_TREE, is_whole=True, is_ready=True)
ILL = Standing(Side.CSI, is_whole=True, is_ready=False)
SERVES = Standing(Side.CSI, is_whole=True, is_ready=True)
BEING_MADE = Standing(Side.CSI, is_whole=True, is_ready=False, is_away=True)
STOPPED = Standing(Side.CSI, is_whole=False, is_ready=False, is_away=True)
RETAINED = Intent(
    seq=3,
    time="",
    step="retain",
    replica="",
    action="set-policy-retain",
    object=ObjectRef(kind="PersistentVolume", name="pvc-1"),
    parameters={},
)


def run_on(*, is_taken_up: bool) -> Run:
    cluster, plan = MemoryCluster(), plan_of(snapshots.healthy())
    cluster.put(resources.STATEFULSETS, snapshots.statefulset())
    journal = SimpleNamespace(
        run_ended=lambda **_: None,
        records=lambda: (RETAINED,),
        open_intents=tuple,
        saved_files=lambda: {PLAN: ""},
    )
    run = SimpleNamespace(
        systems=SimpleNamespace(client=cluster),
        plan=plan,
        replicas=plan.replicas,
        only=(),
        options=Options(),
        directory=SimpleNamespace(path=Path("migration"), journal=journal),
        made=set(),
        in_hand=set(),
        at_once=1,
        window=Window.REPLICA,
        is_taken_up=is_taken_up,
        goes_back=False,
        started=0.0,
        stop_if_asked=lambda: None,
        tell=lambda _: None,
        patiently=lambda _, look: look(),
    )
    return cast(Run, run)


@pytest.mark.parametrize(
    ("is_taken_up", "taken_back"),
    [(False, ["late writes", "policies", "second backup"]), (True, [])],
    ids=["the first run", "one that was taken up"],
)
def test_only_the_first_run_takes_back_what_came_before_its_first_swap(
    monkeypatch: pytest.MonkeyPatch, *, is_taken_up: bool, taken_back: list[str]
) -> None:
    """One that was taken up may have a replica between its volumes, whoever left it there."""
    monkeypatch.setattr(migrate, "standings", lambda _: {})
    monkeypatch.setattr(migrate, "retain_everything", stops)
    found: list[str] = []
    acts: dict[str, Any] = {
        "outdate_lost_writes": "late writes",
        "give_back_policies": "policies",
        "forget_the_second_backup": "second backup",
    }
    for name, words in acts.items():
        monkeypatch.setattr(ending, name, lambda _, words=words: found.append(words))
    monkeypatch.setattr(ending, "has_begun_the_second_backup", lambda _: True)

    with pytest.raises(Stopped):
        Migration(run_on(is_taken_up=is_taken_up)).everything()
    assert found == taken_back


def test_a_run_that_sent_no_change_of_the_set_gives_no_policy_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody may have set Retain meanwhile."""
    found: list[str] = []
    for name in ("outdate_lost_writes", "give_back_policies", "forget_the_second_backup"):
        monkeypatch.setattr(ending, name, lambda _, name=name: found.append(name))
    monkeypatch.setattr(ending, "has_begun_the_second_backup", lambda _: True)
    run = run_on(is_taken_up=False)
    vars(run.directory.journal)["records"] = tuple
    vars(run)["stop_if_asked"] = stops

    with pytest.raises(Stopped):
        Migration(run).everything()
    assert found == ["forget_the_second_backup"]


@pytest.mark.parametrize(
    ("saved", "code"), [({PLAN: ""}, ExitCode.STOPPED), ({}, ExitCode.UNREACHABLE)]
)
def test_what_an_outage_ended_is_stopped_only_if_it_can_be_resumed(
    saved: dict[str, str], code: ExitCode
) -> None:
    """Without its backup there is nothing to go on with, and nothing was changed."""

    def is_away() -> None:
        raise ReadFailed("no answer")

    run = run_on(is_taken_up=False)
    vars(run.directory.journal).update(records=tuple, saved_files=lambda: saved)
    vars(run)["stop_if_asked"] = is_away

    with pytest.raises(ToolError) as ended:
        Migration(run).everything()
    assert ended.value.exit_code == code
    assert ("resume" in ended.value.resolution) == (code is ExitCode.STOPPED)


def test_a_stop_that_was_asked_for_before_the_first_write_is_heeded_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[str] = []
    for name in ("outdate_lost_writes", "standings", "retain_everything"):
        monkeypatch.setattr(migrate, name, lambda _, name=name: found.append(name))
    run = run_on(is_taken_up=True)
    vars(run)["stop_if_asked"] = stops

    with pytest.raises(Stopped):
        Migration(run).everything()
    assert found == []


@pytest.mark.parametrize(
    ("upper", "acts"),
    [
        (SERVES, ["set again", "hold web-1", "room"]),
        (Standing(Side.BETWEEN, is_whole=False, is_ready=False), ["room"]),
    ],
    ids=["all whole", "one half-way"],
)
def test_an_interrupted_window_ends_before_the_next_replica_leaves(
    monkeypatch: pytest.MonkeyPatch, upper: Standing, acts: list[str]
) -> None:
    """Unless a replica is half-way: over its claims the set could not come back.

    And who came through in a run that did not see it stay Ready is held first.
    """
    found: list[str] = []
    swap = SimpleNamespace(set_again=lambda: found.append("set again"))

    def room(*arguments: Any) -> None:
        found.append("room")
        stops(*arguments)

    found_standing(monkeypatch, {"web-1": upper, "web-0": THERE})
    monkeypatch.setattr(migrate, "Swap", lambda *_: swap)
    monkeypatch.setattr(migrate, "await_room", room)

    def hold(_: Any, pods: dict[str, str | None], _prepare: Any) -> None:
        found.append(f"hold {', '.join(pods)}")

    monkeypatch.setattr(Soak, "hold", hold)

    with pytest.raises(Stopped):
        Migration(run_on(is_taken_up=True)).everything()
    assert found == acts


def test_the_policies_come_back_after_what_could_come_late_and_before_the_marks_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that finds every replica there already does all that frames the swaps."""
    found: list[str] = []
    monkeypatch.setattr(migrate, "standings", lambda _: {"web-1": SERVES, "web-0": SERVES})
    monkeypatch.setattr(migrate, "Swap", lambda *_: SimpleNamespace(set_again=lambda: None))
    monkeypatch.setattr(Soak, "hold", lambda *_: None)
    acts = ("retain_everything", "verify", "outdate_lost_writes", "restore_policies", "tidy_up")
    for name in acts:
        monkeypatch.setattr(migrate, name, lambda _, name=name: found.append(name))

    Migration(run_on(is_taken_up=True)).everything()
    assert found == [
        "outdate_lost_writes",
        "retain_everything",
        "verify",
        "outdate_lost_writes",
        "restore_policies",
        "tidy_up",
    ]


@pytest.mark.parametrize(
    ("claims", "pods", "ours", "gone"),
    [
        ((0, 1), (), (), ["web-1", "web-0"]),
        ((0, 1), (), ("web-1",), []),  # its controller would start it on disks nobody saw free
        ((0,), (), ("web-1",), []),
        ((0,), (1,), ("web-1",), []),
        ((0, 1), (1,), ("web-1",), ["web-0"]),
        ((0,), (1,), (), ["web-0"]),  # then what is missing is said at once
    ],
)
def test_for_pods_that_vanished_the_set_comes_back_unless_one_is_this_runs_to_start(
    claims: tuple[int, ...], pods: tuple[int, ...], ours: tuple[str, ...], gone: list[str]
) -> None:
    assert migrate._vanished(run_without_the_set(claims, pods), ours) == gone


def run_without_the_set(claims: tuple[int, ...] = (), pods: tuple[int, ...] = ()) -> Run:
    """One that takes up a migration whose window is open, over these claims and pods."""
    run = run_on(is_taken_up=True)
    cluster: Any = run.systems.client
    del cluster.objects["statefulsets", "web"]
    for ordinal in claims:
        cluster.put(resources.CLAIMS, snapshots.claim(ordinal))
    for ordinal in pods:
        cluster.put(resources.PODS, snapshots.pod(ordinal))
    return run


def test_for_one_that_was_stopped_and_not_yet_swapped_the_set_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that were to leave together: the other one waits until it is Ready again."""
    run = run_without_the_set(claims=(0, 1), pods=(1,))
    vars(run).update(window=Window.RUN, options=Options(window=Window.RUN, max_unavailable=2))
    stopped = Standing(Side.IN_TREE, is_whole=False, is_ready=False)
    found = until_it_has_room(monkeypatch, run, {"web-1": THERE, "web-0": stopped}, waits="web-1")
    assert found[0] == "set again"


def found_standing(monkeypatch: pytest.MonkeyPatch, standings: dict[str, Standing]) -> list[str]:
    """Let a run find its replicas so, all Retain; tells where it brings the set back."""
    acts: list[str] = []
    monkeypatch.setattr(migrate, "standings", lambda _: standings)
    monkeypatch.setattr(migrate, "retain_everything", lambda _: None)
    again = lambda *_, **__: acts.append("set again")  # noqa: E731
    monkeypatch.setattr(migrate, "close_the_shared_window", again)
    return acts


def until_it_has_room(
    monkeypatch: pytest.MonkeyPatch, run: Run, standings: dict[str, Standing], *, waits: str
) -> list[str]:
    """What it does until all that is in the way of the one that waits was looked at, and after
    it was stopped there.
    """
    found = found_standing(monkeypatch, standings)

    def room(_run: Run, replica: ReplicaPlan, look_after: Any, recheck: Any, _: Any) -> None:
        if replica.pod != waits:
            return
        look_after()
        found.extend(recheck(replica))
        stops()

    monkeypatch.setattr(migrate, "await_room", room)
    monkeypatch.setattr(Recheck, "objections", lambda _, replica: [f"looked at {replica.pod}"])
    with pytest.raises(Stopped):
        Migration(run).everything()
    return found


@pytest.mark.parametrize(
    ("set_is_away", "side", "runs", "looks"),
    [
        (False, Side.BETWEEN, False, True),
        (True, Side.BETWEEN, False, False),
        (True, Side.BETWEEN, True, False),  # forwards the planner says at once what is wrong
        (True, Side.IN_TREE, False, False),
        (True, Side.IN_TREE, True, True),  # the set was back, and has left again since
    ],
)
def test_what_was_left_half_way_is_looked_at_again_unless_it_has_left(
    monkeypatch: pytest.MonkeyPatch, *, set_is_away: bool, side: Side, runs: bool, looks: bool
) -> None:
    pods = (1,) if runs else ()
    run = run_without_the_set(pods=pods) if set_is_away else run_on(is_taken_up=True)
    half_way = Standing(side, is_whole=False, is_ready=False)
    found = until_it_has_room(monkeypatch, run, {"web-1": half_way, "web-0": THERE}, waits="web-1")
    assert found == (["looked at web-1", "set again"] if looks else ["set again"])


@pytest.mark.parametrize(
    ("upper", "lower", "turns"),
    [
        (SERVES, ILL, [["web-0"], ["web-1"]]),
        (ILL, SERVES, [["web-1"], ["web-0"]]),
        (ILL, ILL, [["web-0", "web-1"]]),
        (SERVES, SERVES, [["web-0", "web-1"]]),
        (SERVES, BEING_MADE, [["web-0", "web-1"]]),
        (STOPPED, ILL, [["web-1", "web-0"]]),
        (STOPPED, SERVES, [["web-1", "web-0"]]),
    ],
)
def test_who_runs_and_is_not_ready_goes_back_before_those_that_serve(
    monkeypatch: pytest.MonkeyPatch, upper: Standing, lower: Standing, turns: list[list[str]]
) -> None:
    """The set counts it, and they may not leave before that: so it leaves with none of them."""
    run, found = run_on(is_taken_up=True), list[list[str]]()
    options = Options(max_unavailable=2)
    replicas = tuple(reversed(run.replicas))
    vars(run).update(goes_back=True, options=options, replicas=replicas)

    def go(_: Any, now: list[ReplicaPlan], *_then: Any) -> set[str]:
        found.append([each.pod for each in now])
        return {each.pod for each in now}

    found_standing(monkeypatch, {"web-1": upper, "web-0": lower})
    monkeypatch.setattr(migrate, "go_by_todays_set", lambda _: None)
    monkeypatch.setattr(migrate, "verify", stops)
    monkeypatch.setattr(Migration, "_fit_the_templates", lambda _: None)
    monkeypatch.setattr(Migration, "_replicas", go)
    with pytest.raises(Stopped):
        Migration(run).everything()
    assert found == turns


@pytest.mark.parametrize("only", [(), ("web-0",)], ids=["all", "another one only"])
def test_a_run_that_stops_early_leaves_no_pod_to_a_controller_that_it_has_to_start_itself(
    monkeypatch: pytest.MonkeyPatch, only: tuple[str, ...]
) -> None:
    """One that refuses as it is left half-way, and not named in --replica, neither."""
    run, told = run_without_the_set(), list[Any]()
    vars(run).update(window=Window.RUN, tell=told.append, only=only)
    not_started = Standing(Side.CSI, is_whole=False, is_ready=False)
    found = found_standing(monkeypatch, {"web-1": not_started})
    monkeypatch.setattr(migrate, "await_room", stops)
    with pytest.raises(NeedsPerson if only else Stopped):
        Migration(run).everything()
    assert found == []
    assert any("web-1 has no pod" in getattr(each, "text", "") for each in told)
