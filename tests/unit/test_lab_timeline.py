"""Seconds away are counted between what was seen."""

from __future__ import annotations

import pytest

from lab.timeline import Sample, away, quorum_lost

PODS = ["web-0", "web-1", "web-2"]


def samples(*seen: tuple[float, str]) -> list[Sample]:
    return [Sample(at, frozenset(f"web-{one}" for one in ready)) for at, ready in seen]


def test_a_pod_that_was_always_ready_was_never_away() -> None:
    assert away(samples((0, "012"), (9, "012")), "web-1") == 0


def test_a_pod_is_away_from_its_last_ready_sample_to_its_next() -> None:
    seen = samples((0, "012"), (1, "02"), (3, "0"), (4.5, "012"), (9, "012"))
    assert away(seen, "web-1") == pytest.approx(3.5)
    assert away(seen, "web-2") == pytest.approx(1.5)


def test_a_pod_that_did_not_come_back_is_away_to_the_end() -> None:
    assert away(samples((0, "012"), (1, "02"), (9, "02")), "web-1") == 8


def test_one_of_three_away_keeps_the_quorum() -> None:
    assert quorum_lost(samples((0, "012"), (1, "02"), (3, "012")), PODS) == 0


def test_two_of_three_away_lose_the_quorum() -> None:
    assert quorum_lost(samples((0, "012"), (1, "0"), (3, "02"), (9, "012")), PODS) == 2


def test_pods_of_others_do_not_count_for_the_quorum() -> None:
    assert quorum_lost(samples((0, "0789"), (2, "012")), PODS) == 2


def test_half_of_two_is_no_majority() -> None:
    assert quorum_lost(samples((0, "01"), (1, "0"), (4, "01")), ["web-0", "web-1"]) == 3
