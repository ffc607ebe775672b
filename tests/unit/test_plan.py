"""The plan: the very steps that a run takes, what differs, how long it may take."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.differences import differences
from csi_migration.decide.estimate import estimate
from csi_migration.decide.outline import outline_steps
from csi_migration.decide.plan import plan_of
from csi_migration.decide.staleness import basis_of, moves
from csi_migration.engine.planning import is_done, outline_of
from csi_migration.engine.systems import Systems
from csi_migration.model.outline import Outline, PlannedStep
from csi_migration.model.plan import Window
from csi_migration.model.snapshot import Snapshot
from csi_migration.model.step import Action
from csi_migration.report.plan import as_yaml, plan_json, plan_text, plan_yaml
from csi_migration.report.style import Paint
from tests.unit import snapshots
from tests.unit.snapshots import changed, healthy

SYSTEMS = cast(Systems, SimpleNamespace(client=SimpleNamespace(server="https://cluster:6443")))


def outline(snapshot: Snapshot | None = None) -> Outline:
    return outline_of(SYSTEMS, snapshot or healthy(), 30.0, as_yaml)


def steps(
    window: Window, *, registered: bool = True, kept: bool = True, at_once: int = 1
) -> list[PlannedStep]:
    plan = plan_of(healthy())
    disks = {}
    for ordinal in range(2):
        disk = snapshots.look(ordinal).disk
        if registered and disk:
            disks[f"data-web-{ordinal}"] = replace(disk, keep_after_delete_vm=kept)
    return outline_steps(plan, disks, window, at_once)


def actions_of(found: list[PlannedStep], replica: str) -> list[Action]:
    return [step.action for step in found if step.replica == replica]


SWAP = [
    Action.DELETE_POD,
    Action.DELETE_CLAIM,
    Action.DELETE_VOLUME,
    Action.CREATE_VOLUME,
    Action.CREATE_CLAIM,
    Action.CREATE_POD,
]


def test_each_replica_has_a_window_of_its_own_highest_ordinal_first() -> None:
    found = steps(Window.REPLICA)

    assert [step.replica for step in found[:: len(SWAP) + 2]] == ["web-1", "web-0"]
    for replica in ("web-1", "web-0"):
        expected = [Action.OPEN_WINDOW, *SWAP, Action.CLOSE_WINDOW]
        assert actions_of(found, replica) == expected


def test_a_run_long_window_opens_once_and_closes_once() -> None:
    found = steps(Window.RUN)

    assert actions_of(found, "web-1") == [Action.OPEN_WINDOW, *SWAP]
    assert actions_of(found, "web-0") == SWAP
    assert actions_of(found, "") == [Action.CLOSE_WINDOW]


def test_replicas_that_are_swapped_at_once_share_a_window() -> None:
    found = steps(Window.REPLICA, at_once=2)

    assert found == steps(Window.RUN, at_once=2) == steps(Window.RUN)


def test_what_is_no_first_class_disk_yet_is_registered_and_protected() -> None:
    expected = [Action.REGISTER_DISK, Action.PROTECT_DISK]

    assert actions_of(steps(Window.RUN, registered=False), "web-0")[1:3] == expected
    assert actions_of(steps(Window.RUN, kept=False), "web-0")[1:2] == [Action.PROTECT_DISK]


def test_the_class_of_the_templates_is_what_differs_in_the_set() -> None:
    snapshot = healthy()
    found = {d.subject: d.lines for d in differences(snapshot, plan_of(snapshot), as_yaml)}

    changes = [line for line in found["statefulset/web"] if line[0] in "+-"]
    assert changes == ["-      storageClassName: standard", "+      storageClassName: standard-rwo"]
    assert not any("uid" in line for lines in found.values() for line in lines)
    assert list(found) == [
        "statefulset/web",
        "pv/pvc-1 -> pv/pvc-1-csi",
        "pvc/data-web-1",
        "pod/web-1",
    ]


LABELLED = changed(snapshots.claim(0), "metadata/labels", {"app": "web", "tier": "gold"})
GROWN = changed(snapshots.claim(0), "spec/resources/requests/storage", "20Gi")


@pytest.mark.parametrize(
    ("other", "line"), [(GROWN, "+      storage: 20Gi"), (LABELLED, "+    tier: gold")]
)
def test_what_one_replica_has_of_its_own_is_seen_in_the_plan(other: Any, line: str) -> None:
    snapshot = healthy()
    odd = replace(snapshot, claims=snapshot.claims | {"data-web-0": other})
    found = outline(odd)

    (unlike,) = (each for each in found.differences if each.unlike)
    assert (unlike.subject, unlike.unlike, unlike.replicas) == (
        "pvc/data-web-0",
        "web-1",
        ("web-0",),
    )
    assert line in unlike.lines
    assert "pvc/data-web-0, to come, unlike that of web-1" in plan_text(found)
    assert not any(each.unlike for each in outline(snapshot).differences)


def test_a_claim_that_forgets_a_source_is_shown_though_the_one_to_come_is_like_any() -> None:
    source = {"kind": "VolumeSnapshot", "name": "yesterday"}
    filled = changed(snapshots.claim(0), "spec/dataSource", source)
    found = outline(replace(healthy(), claims=healthy().claims | {"data-web-0": filled}))

    (own,) = (each for each in found.differences if each.subject == "pvc/data-web-0")
    assert "-    name: yesterday" in own.lines


def test_where_a_claim_was_first_placed_makes_no_replica_another() -> None:
    found = healthy().claims
    for ordinal in range(2):
        path = f"data-web-{ordinal}/metadata/annotations/volume.kubernetes.io~selected-node"
        place, _, name = path.rpartition("/")
        marks = found[f"data-web-{ordinal}"]["metadata"]["annotations"]
        found = changed(found, place, marks | {name.replace("~", "/"): f"node-{ordinal}"})
    told = outline(replace(healthy(), claims=found))

    assert {each.replicas for each in told.differences} == {(), ("web-1", "web-0")}


def test_every_replica_is_named_with_what_will_become_of_it() -> None:
    told = json.loads(plan_json(outline()))

    assert [each["replicas"] for each in told["differences"]] == [[], *[["web-1", "web-0"]] * 3]
    assert "Replica web-1, and the same but for names: web-0" in plan_text(outline())


def pod(created: str, ready: str, grace: int) -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": created},
        "spec": {"terminationGracePeriodSeconds": grace},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ready}]
        },
    }


MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: int) -> str:
    return (MIDNIGHT + timedelta(seconds=seconds)).isoformat()


def started_pod(ran: int, ready: int) -> dict[str, Any]:
    """One whose container ran so many seconds after its creation, and was Ready so many later."""
    made = pod(after(0), after(ran + ready), 30)
    running = {"restartCount": 0, "state": {"running": {"startedAt": after(ran)}}}
    status = made["status"] | {"startTime": after(min(ran, 1)), "containerStatuses": [running]}
    return made | {"status": status}


def flapped(pod: dict[str, Any], later: int) -> dict[str, Any]:
    """Not Ready in between, for whatever reason."""
    found: dict[str, Any] = changed(
        pod, "status/conditions/0/lastTransitionTime", after(1200 + 900 + later)
    )
    return found


def restarted(pod: dict[str, Any], later: int) -> dict[str, Any]:
    """Its container began anew."""
    again = {"running": {"startedAt": after(1200 + 900 + later)}}
    found = changed(pod, "status/containerStatuses/0/state", again)
    return flapped(changed(found, "status/containerStatuses/0/restartCount", 1), later)


FLAPS = st.sampled_from([lambda pod, _: pod, flapped, restarted])


@given(
    st.lists(
        st.tuples(st.integers(0, 1200), st.integers(0, 900), FLAPS, st.integers(1, 9_000_000)),
        max_size=6,
    )
)
def test_what_was_not_ready_in_between_never_makes_the_estimate_longer(
    pods: list[tuple[int, int, Any, int]],
) -> None:
    steady = [started_pod(ran, ready) for ran, ready, _, _ in pods]
    found, now = (
        estimate(each, soak=30, min_ready_seconds=0)
        for each in (
            steady,
            [flap(pod, later) for pod, (*_, flap, later) in zip(steady, pods, strict=True)],
        )
    )

    for figure in ("away_least", "away_most", "whole_least", "whole_most"):
        assert getattr(now, figure) <= getattr(found, figure)


@pytest.mark.parametrize(("flap", "start"), [(flapped, 20), (restarted, 1)])
def test_of_a_replica_that_was_not_ready_in_between_only_its_containers_start_is_told(
    flap: Any, start: int
) -> None:
    whole = started_pod(20, 10)
    found = estimate([whole, flap(whole, 5_000_000)], soak=0, min_ready_seconds=0)

    assert (found.starts, found.starts_in_part) == ((start, 30), 1)


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([flapped(started_pod(20, 10), 1), started_pod(20, 10)], "(1 of them until the containers"),
        ([flapped(started_pod(20, 10), 1)], "(all of them until the containers ran"),
        ([], "say nothing of it"),
    ],
)
def test_an_estimate_says_what_it_could_not_be_made_of(pods: list[Any], told: str) -> None:
    found = replace(outline(), estimate=estimate(pods, soak=30, min_ready_seconds=0))

    assert told in plan_text(found, width=400)


def test_the_estimate_is_made_of_what_the_pods_took() -> None:
    pods = [
        pod("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", 30),
        pod("2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z", 60),
    ]
    found = estimate(pods, soak=30, min_ready_seconds=5)

    assert (found.away_least, found.away_most) == (20, 90)
    assert (found.whole_least, found.whole_most) == (100, 240)


@given(
    st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 600)), max_size=6), st.floats(0, 600)
)
def test_the_least_is_never_more_than_the_most(times: list[tuple[int, int]], soak: float) -> None:
    pods = [
        pod("2026-01-01T00:00:00Z", f"2026-01-01T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}Z", g)
        for s, g in times
    ]
    found = estimate(pods, soak=soak, min_ready_seconds=0)

    assert 0 <= found.away_least <= found.away_most
    assert found.whole_least <= found.whole_most


# Saved plans ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("statefulset/status/readyReplicas", 1),
        ("statefulset/metadata/resourceVersion", "99"),
        ("claims/data-web-0/status/conditions", []),
        ("volumes/pvc-0/metadata/resourceVersion", "99"),
        ("pods/0/metadata/uid", "restarted"),
    ],
)
def test_what_controllers_write_again_and_again_is_no_move(path: str, value: Any) -> None:
    then = basis_of(healthy())

    assert list(moves(then, basis_of(changed(healthy(), path, value)))) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("claims/data-web-0/metadata/labels", {"app": "x"}, "pvc/data-web-0: labels.app: web -> x"),
        (
            "claims/data-web-0/metadata/uid",
            "u2",
            "pvc/data-web-0 is another one than then (uid u2)",
        ),
        ("statefulset/spec/replicas", 3, "statefulset/web: spec.replicas: 2 -> 3"),
        (
            "statefulset/status/updateRevision",
            "r2",
            "statefulset/web: updateRevision: web-5f7d -> r2",
        ),
        (
            "volumes/pvc-0/spec/persistentVolumeReclaimPolicy",
            "Retain",
            "pv/pvc-0: spec.persistentVolumeReclaimPolicy: Delete -> Retain",
        ),
        (
            "statefulset/spec/template/spec/containers",
            [{"name": "db", "env": [{"name": "PASSWORD", "value": "secret"}]}],
            "statefulset/web: spec.template.spec.containers is not as it was",
        ),
    ],
)
def test_what_matters_is_named_with_what_it_was(path: str, value: Any, told: str) -> None:
    assert list(moves(basis_of(healthy()), basis_of(changed(healthy(), path, value)))) == [told]


def test_a_basis_survives_the_way_through_a_file() -> None:
    found = basis_of(healthy())

    assert json.loads(json.dumps(found)) == found


def test_a_set_on_csi_has_nothing_to_do() -> None:
    done = {f"pvc-{o}": snapshots.csi_volume(f"pvc-{o}", f"fcd-{o}") for o in range(2)}

    assert is_done(replace(healthy(), volumes=done))
    assert not is_done(healthy())


# What is shown ---------------------------------------------------------------------------

STEPS = """\
Steps
  all: back up everything, twice; make 2 volumes Retain
  web-1, web-0:
    1. take the StatefulSet away, leaving its pods
    2. stop the pod
    3. delete the in-tree claim (data)
    4. delete the in-tree volume (data)
    5. create the CSI volume (data)
    6. create the claim on the CSI volume (data)
    7. start the pod
    8. bring the StatefulSet back
       then it is held, Ready, before the next replica
  all: verify every replica; give the volumes their reclaim policies
"""


@pytest.mark.parametrize("width", [80, 140])
def test_replicas_that_are_alike_are_told_once(width: int) -> None:
    told = plan_text(outline(), width=width)

    assert STEPS in told
    assert "data-web-1  1GiB  fcd-1  [ds]kubevols/disk-1.vmdk" in re.sub(" {3,}", "  ", told)
    assert max(len(line) for line in told.splitlines() if "Estimate" in line) <= width


@pytest.mark.parametrize("width", [80, 140])
def test_colours_change_no_character_of_the_plan(width: int) -> None:
    painted = plan_text(outline(), width=width, paint=Paint(on=True))

    assert "\033[31m-" in painted
    assert re.sub(r"\033\[\d+m", "", painted) == plan_text(outline(), width=width)


def test_the_plan_for_machines_has_every_step_of_every_replica() -> None:
    told = json.loads(plan_json(outline()))

    assert (told["schemaVersion"], told["type"]) == (1, "plan")
    assert len(told["steps"]) == 16
    assert told["steps"][0] == {"replica": "web-1", "action": "open-window", "claim": ""}
    assert yaml.safe_load(plan_yaml(outline())) == told
