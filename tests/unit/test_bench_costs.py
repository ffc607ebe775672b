"""What `preflight` and `inventory` cost: verdicts, slopes, and no figures of what failed."""

from __future__ import annotations

import re
from typing import Any

from bench import inventory, preflight
from bench.figures import per_hundred


def figures(disks: int, calls: int, **other: Any) -> dict[str, Any]:
    return {
        "replicas": disks // 2,
        "disks": disks,
        "exit_code": 0,
        "blockers": [],
        "seconds": 4.0,
        "processor_seconds": 3.0,
        "peak_megabytes": 100,
        "kubernetes": {"list pods": 2, "list pods, next page": 3},
        "admin": {"get secrets": 1},
        "vcenter": {"RetrievePropertiesEx": calls - 1, "Login": 1},
        **other,
    }


def sets(**of_the_large: Any) -> dict[str, dict[str, Any]]:
    return {
        "small": figures(3, 30),
        "half": figures(500, 45),
        "large": figures(1000, 50) | of_the_large,
    }


def test_calls_are_told_for_each_hundred_disks_more() -> None:
    assert per_hundred({500: 45, 1000: 50}) == 1
    assert per_hundred({500: 45}) is None


def test_preflight_is_compared_with_its_goals() -> None:
    printed = preflight.text(sets())
    assert re.search(r"(?m)^vcenter_calls_per_hundred_disks +1\.000 +<= 1 +reached ", printed)
    assert re.search(r"(?m)^500 replicas +1000 +4\.0 +3\.0 +100 +5 +1 +50$", printed)
    assert re.search(r"(?m)^RetrievePropertiesEx +29 +44 +49$", printed)


def test_a_slope_above_one_is_not_reached_and_the_small_set_does_not_count() -> None:
    told = sets(vcenter={"RetrievePropertiesEx": 52})
    assert preflight.values(told)["vcenter_calls_per_hundred_disks"] == 1.4
    assert "NOT reached" in preflight.text(told)


def test_time_and_memory_have_goals_too() -> None:
    printed = preflight.text(sets(seconds=15.5, peak_megabytes=201))
    assert re.search(r"(?m)^seconds +15\.500 +<= 15 +NOT reached ", printed)
    assert re.search(r"(?m)^peak_megabytes +201\.000 +<= 200 +NOT reached ", printed)


def test_a_preflight_that_fails_or_is_blocked_is_a_failure_of_the_measurement() -> None:
    assert preflight.failures(sets()) == []
    (failed,) = preflight.failures(sets(exit_code=9))
    assert failed == "preflight of the large set ended with 9, blockers: []"
    assert preflight.failures(sets(blockers=["disks-held"])) != []


def test_inventory_tells_its_calls_and_its_pages() -> None:
    found = {
        "sets": 300,
        "volumes": 5100,
        "seconds": 10.5,
        "processor_seconds": 2.0,
        "peak_megabytes": 64,
        "calls": {"admin": {"get secrets": 1}, "user": {"list pods, next page": 10}},
    }
    printed = inventory.text(found)
    assert re.search(r"(?m)^user: list pods, next page +10$", printed)
    assert re.search(r"(?m)^admin: get secrets +1$", printed)
    assert re.search(r"(?m)^seconds +10\.500 +<= 10 +NOT reached ", printed)
