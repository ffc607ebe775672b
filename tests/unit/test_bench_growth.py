"""What a replica costs in calls, by the size of the set and in a crowded cluster."""

from __future__ import annotations

import json
import re

from bench.away import Absence
from bench.calls import Call, kubernetes_calls
from bench.delays import given
from bench.experiment import Found, Options
from bench.growth import PerReplica, growth, per_replica, turns
from bench.methods import REPLICA
from bench.result import as_json, by_size, ratios
from bench.table import text
from tests.unit.bench_samples import absence, run

DELAYS = given("")


def measured(large: str, crowd: str) -> Found:
    """Each replica reads its pod once; those of the large set and among a crowd, that too."""
    return Found(
        {REPLICA: [run(*absences(2), calls=reads(2), replicas=2)]},
        by_size={100: [run(*absences(4), calls=reads(4, large), replicas=100)]},
        crowded=[run(*absences(2), calls=reads(2, crowd), replicas=2)],
    )


def absences(number: int) -> list[Absence]:
    return [absence(10 * each, 9, pod=f"web-{each}") for each in range(number)]


def reads(number: int, more: str = "") -> tuple[Call, ...]:
    return tuple(
        Call(10 * each + 1, "user", verb, "pods")
        for each in range(number)
        for verb in ("get", *filter(None, [more]))
    )


def test_a_turn_goes_from_one_replicas_going_to_the_nexts_and_the_last_to_the_end() -> None:
    calls = tuple(Call(at, "user", "get", "pods") for at in (1, 2, 3, 12, 13, 30))
    first, last = turns(run(absence(0, 9), absence(10, 9), calls=calls, wall=40))
    assert (len(first.calls), first.span.seconds, first.is_last) == (3, 10, False)
    assert (len(last.calls), last.span.seconds, last.is_last) == (3, 30, True)


def test_calls_per_replica_are_medians_of_all_but_the_last_by_api_verb_and_resource() -> None:
    calls = (
        *(Call(at, "user", "get", "pods") for at in (1, 2, 11, 21, 22, 23)),
        Call(4, "vcenter", "Login"),
    )
    found = per_replica([run(*absences(3), calls=calls)])
    assert found == PerReplica(10, {"user: get pods": 1.5, "vcenter: Login": 0.5})


def test_a_set_of_one_tells_nothing_of_a_replica() -> None:
    assert per_replica([run(absence(0, 9))]) is None
    assert by_size(Found(by_size={1: [run(absence(0, 9))]})) == {}


def test_what_only_waits_longer_does_not_grow() -> None:
    small = PerReplica(10, {"user: get pods": 20, "user: create pods": 1})
    large = PerReplica(12, {"user: get pods": 24, "user: create pods": 1})
    assert growth(small, large) == {}


def test_a_call_more_that_no_longer_turn_accounts_for_grows() -> None:
    small = PerReplica(10, {"user: get pods": 20})
    pages = PerReplica(12, {"user: get pods": 26, "user: list pods, next page": 2})
    assert growth(small, pages) == {"user: get pods": 2, "user: list pods, next page": 2}


def test_a_shorter_turn_excuses_nothing() -> None:
    assert growth(PerReplica(10, {"a": 2}), PerReplica(5, {"a": 3})) == {"a": 1}


def test_growth_with_the_set_and_with_the_cluster_have_a_goal_each() -> None:
    found = measured(large="", crowd="list")
    told = ratios(found, DELAYS, Options())
    assert told["calls_growing_with_set"] == 0
    assert told["calls_growing_with_cluster"] == 1
    printed = text(found, DELAYS, Options())
    assert re.search(r"(?m)^calls_growing_with_set +0\.000 +<= 0 +reached ", printed)
    assert re.search(r"(?m)^calls_growing_with_cluster +1\.000 +<= 0 +NOT reached ", printed)


def test_a_set_below_a_hundred_says_nothing_of_growth_with_the_set() -> None:
    found = measured(large="list", crowd="")
    found.by_size = {5: found.by_size[100]}
    found.by_size[5] = [run(*absences(4), calls=reads(4, "list"), replicas=5)]
    assert ratios(found, DELAYS, Options())["calls_growing_with_set"] is None


def test_each_kind_of_call_has_its_row_with_its_slope_and_its_growth() -> None:
    printed = text(measured(large="list", crowd="watch"), DELAYS, Options())
    assert re.search(
        r"(?m)^CALLS PER REPLICA, MEDIANS +SET OF 2 +SET OF 100 +CROWDED +SLOPE", printed
    )
    assert re.search(r"(?m)^all +1 +2 +2 +0\.01 +s 1, c 1$", printed)
    assert re.search(r"(?m)^user: get pods +1 +1 +1 +0\.00$", printed)
    assert re.search(r"(?m)^user: list pods +0 +1 +0 +0\.01 +s 1$", printed)
    assert re.search(r"(?m)^user: watch pods +0 +0 +1 +0\.00 +c 1$", printed)


def test_every_replica_is_told_with_its_seconds_and_its_calls() -> None:
    calls = (Call(-1, "user", "list", "pods"), *reads(2), Call(12, "vcenter", "Login"))
    away = [absence(0, 9, pod="web-1", without_set=6), absence(10, 9, pod="web-0")]
    found = Found({REPLICA: [run(*away, calls=calls, wall=25, replicas=2)]})
    printed = text(found, DELAYS, Options())
    assert re.search(r"(?m)^before the first .* user: list 1$", printed)
    assert re.search(r"(?m)^web-1 +9\.0 +6\.0 +10\.0 +user: get 1$", printed)
    assert re.search(r"(?m)^web-0 +9\.0 +0\.0 +15\.0 +user: get 1; vcenter: Login 1$", printed)
    first, _ = as_json(found, DELAYS, Options())["methods"][REPLICA]["runs"][0]["replicas"]
    assert (first["wall_seconds"], first["calls"]) == (10, {"user": {"get": 1}})


def test_the_admin_clusters_calls_are_told_when_there_are_some() -> None:
    calls = (Call(1, "admin", "get", "secrets"),)
    asked = Found({REPLICA: [run(absence(0, 9), calls=calls)]})
    assert "asked the other one nothing" not in text(asked, DELAYS, Options())
    assert "admin: get 1" in text(asked, DELAYS, Options())
    assert "asked the other one nothing" in text(Found(), DELAYS, Options())


def test_a_lists_further_page_and_a_dry_run_are_calls_of_their_own_kind() -> None:
    def entry(number: int, verb: str, query: str) -> str:
        content = {
            "auditID": str(number),
            "verb": verb,
            "user": {"username": "me"},
            "requestURI": f"/api/v1/pods?{query}",
            "objectRef": {"resource": "pods"},
            "requestReceivedTimestamp": "2026-01-01T00:00:00Z",
        }
        return json.dumps(content)

    lines = [
        entry(1, "list", "limit=500"),
        entry(2, "list", "limit=500&continue=abc"),
        entry(3, "create", "dryRun=All"),
    ]
    assert [call.kind for call in kubernetes_calls("user", lines, "me")] == [
        "user: list pods",
        "user: list pods, next page",
        "user: create pods, dry run",
    ]
