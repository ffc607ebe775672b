"""Seconds away, their phases and the seconds without a controller, from what a watch shows."""

from __future__ import annotations

import pytest

from bench.away import PHASES, absences, windows
from tests.unit.bench_samples import attachment, claim, pod, swap, volume


def test_a_pod_is_away_from_its_last_ready_to_its_next() -> None:
    (found,) = absences(swap(100), ["web-1"])
    assert (found.span.began, found.span.ended) == (100, 110)


def test_a_swap_is_told_apart_into_its_phases() -> None:
    (found,) = absences(swap(100), ["web-1"])
    seconds = dict(zip(PHASES, (span.seconds for span in found.phases), strict=True))
    assert seconds == pytest.approx(
        {
            "terminating": 1,
            "detaching": 2,
            "converting": 0.6,
            "unregistering": 0.3,
            "binding": 0.6,
            "creating": 0.1,
            "starting": 5.4,
        }
    )


def test_a_plain_restart_converts_and_binds_nothing() -> None:
    restart = [
        pod(0, "THERE", "web-0", ready=True),
        claim(0, "THERE", "data-web-0", "old", uid="c1", phase="Bound"),
        pod(10, "MODIFIED", "web-0", ready=False),
        pod(12, "DELETED", "web-0", ready=False),
        pod(12.1, "ADDED", "web-0", ready=False, uid="2"),
        attachment(15, "DELETED", "old"),
        pod(20, "MODIFIED", "web-0", ready=True, uid="2"),
    ]
    (found,) = absences(restart, ["web-0"])
    assert [span.seconds for span in found.phases] == [2, 3, 0, 0, 0, 0, 5]


def test_another_pods_disk_does_not_count_as_detached() -> None:
    changes = [*swap(100), attachment(103.4, "DELETED", "of-another")]
    (found,) = absences(sorted(changes, key=lambda one: one.at), ["web-1"])
    assert found.phases[1].ended == 103


def test_a_claims_copy_under_another_name_does_not_count_as_converted() -> None:
    copied = claim(103.7, "DELETED", "copy-data-web-1", "copy", uid="c9", phase="Bound")
    (found,) = absences(sorted([*swap(100), copied], key=lambda one: one.at), ["web-1"])
    assert found.phases[2].ended == 103.6


def test_another_claims_new_volume_does_not_end_the_unregistering() -> None:
    other = volume(103.95, "data-web-0")
    (found,) = absences(sorted([*swap(100), other], key=lambda one: one.at), ["web-1"])
    assert found.phases[3].ended == 103.9


def test_the_phases_leave_no_gap() -> None:
    (found,) = absences(swap(100), ["web-1"])
    assert sum(span.seconds for span in found.phases) == pytest.approx(found.seconds)


def test_a_pod_that_has_not_come_back_is_not_counted() -> None:
    assert absences(swap(100)[:-1], ["web-1"]) == []


def test_a_set_is_away_from_its_farewell_to_its_return() -> None:
    (found,) = windows(swap(100))
    assert (found.began, found.ended) == (99, 105)


def test_each_window_belongs_to_the_replica_that_was_away_in_it() -> None:
    first, second = absences([*swap(100), *swap(200, "web-0")], ["web-0", "web-1"])
    assert (first.pod, first.without_set) == ("web-1", 6)
    assert (second.pod, second.without_set) == ("web-0", 6)


def test_a_set_that_was_never_away_left_nobody_without_a_controller() -> None:
    seen = [one for one in swap(100) if one.kind != "StatefulSet"]
    (found,) = absences(seen, ["web-1"])
    assert found.without_set == 0
