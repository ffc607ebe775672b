"""Medians, spreads, ratios and slopes, and the figures that are made of them."""

from __future__ import annotations

import re

import pytest

from bench.away import Span
from bench.calls import by_verb, kubernetes_calls, vcenter_calls, within
from bench.delays import given, of_the_driver
from bench.experiment import Found, Options
from bench.figures import GOALS, Spread, over, slope
from bench.methods import FLOOR, REPLICA, RUNBOOK
from bench.result import as_json, marginal_seconds, own_seconds, phases, ratios, speed_ups
from bench.table import text
from tests.unit.bench_samples import absence, run

DELAYS = given("") | {"syncer": 0, "unregister": 1, "register": 1}
OPTIONS = Options(runs=1, replicas=1, large=100)


def found() -> Found:
    """The floor 8 + 2 s, the tool 11, the runbook 33."""
    return Found(
        {
            FLOOR: [run(absence(0, 1, 2, 0, 0, 5))],
            RUNBOOK: [run(absence(0, 1, 2, 1, 24, 5))],
            REPLICA: [run(absence(0, 1, 2, 2, 1, 5, without_set=5.5))],
        }
    )


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert Spread.of([4, 1, 3, 2]) == Spread(2.5, 1, 4, 4)


def test_nothing_measured_is_no_spread_and_no_ratio() -> None:
    assert Spread.of([]) is None
    assert over(None, 2) is None
    assert over(2, 0) is None


def test_calls_that_grow_with_the_set_have_a_slope() -> None:
    assert slope({2: 30, 6: 30}) == 0
    assert slope({2: 30, 6: 34}) == 1
    assert slope({2: 30}) is None


def test_the_tool_is_compared_with_a_restart_and_what_the_driver_adds() -> None:
    assert ratios(found(), DELAYS, OPTIONS)["away_over_floor"] == 1.1


def test_the_runbook_is_compared_with_the_tool() -> None:
    assert ratios(found(), DELAYS, OPTIONS)["runbook_over_tool"] == 3


def test_time_without_a_controller_is_compared_with_the_time_away() -> None:
    assert ratios(found(), DELAYS, OPTIONS)["uncontrolled_over_away"] == 0.5


def test_a_large_set_is_compared_with_as_many_sets_of_one() -> None:
    measured = found()
    ones = [run(wall=wall) for wall in (9, 10, 14)]
    measured.by_size = {1: ones, 100: [run(wall=1020, replicas=100)]}
    told = ratios(measured, DELAYS, OPTIONS)
    assert told["wall_100_over_linear"] == 1.02
    assert marginal_seconds(measured, 100) == 10.202
    assert told["marginal_over_one"] == 1.02
    assert "each replica more  " in text(measured, DELAYS, OPTIONS)


def test_a_smaller_set_says_nothing_of_a_hundred_replicas() -> None:
    measured = found()
    measured.by_size = {1: [run(wall=10)], 20: [run(wall=210, replicas=20)]}
    told = ratios(measured, DELAYS, Options(runs=1, replicas=1, large=20))
    assert told["wall_over_linear"] == 1.05
    assert told["wall_100_over_linear"] is None


def test_several_at_once_are_compared_with_one_at_a_time() -> None:
    measured = Found(at_once={1: run(wall=400), 4: run(wall=125)})
    assert speed_ups(measured) == {1: 1, 4: 3.2}
    assert re.search(r"(?m)^4 +125 +3\.20$", text(measured, DELAYS, OPTIONS))


def test_without_one_at_a_time_there_is_no_speed_up() -> None:
    assert speed_ups(Found(at_once={4: run(wall=125)})) == {}


def test_what_was_not_measured_is_null() -> None:
    told = ratios(Found(), DELAYS, OPTIONS)
    assert set(told) >= {goal.ratio for goal in GOALS}
    assert set(told.values()) == {None}


def test_phases_are_told_as_medians_of_all_replicas() -> None:
    runs = [run(absence(0, 1, 2, 3, 4, 5, 2, 1), absence(20, 3, 2, 3, 4, 9, 2, 1))]
    assert phases(runs) == {
        "terminating": 2,
        "detaching": 2,
        "converting": 3,
        "unregistering": 4,
        "binding": 7,
        "creating": 2,
        "starting": 1,
    }
    assert own_seconds(runs) == 5


def test_the_driver_takes_one_volume_after_the_other() -> None:
    assert of_the_driver(DELAYS, claims=1) == 2
    assert of_the_driver(DELAYS, claims=3) == 6


def test_delays_given_replace_the_tables() -> None:
    assert given("attach=7,call=0")["attach"] == 7
    assert given("attach=7")["detach"] == given("")["detach"]


def test_an_unknown_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no delay 'atach'; there are pod_stop,"):
        given("atach=7")


def test_a_watch_that_is_logged_twice_is_one_call() -> None:
    line = (
        '{"auditID":"%s","verb":"%s","user":{"username":"%s"},"requestURI":"/version",'
        '"requestReceivedTimestamp":"2026-01-01T00:00:00.500000Z"}'
    )
    entries = (("a", "watch", "me"), ("a", "watch", "me"), ("b", "get", "me"), ("c", "get", "him"))
    calls = kubernetes_calls("user", [line % entry for entry in entries], "me")
    assert by_verb(calls) == {"user": {"watch": 1, "get": 1}}
    assert calls[0].at == pytest.approx(1767225600.5)


def test_the_drivers_own_calls_to_vcenter_are_not_counted() -> None:
    line = '{"time":"2026-01-01T00:00:0%d.123456789Z","user":"%s","method":"RegisterDisk"}'
    users = ("administrator@vsphere.local", "csi@vsphere.local")
    calls = vcenter_calls([line % (second, user) for second, user in enumerate(users)])
    assert by_verb(calls) == {"vcenter": {"RegisterDisk": 1}}
    assert within(calls, Span(1767225600, 1767225601)) == calls


def test_the_table_says_which_ratios_are_reached() -> None:
    told = text(found(), DELAYS, OPTIONS)
    assert re.search(r"(?m)^away_over_floor +1\.100 +<= 1\.15 +reached ", told)
    assert re.search(r"(?m)^wall_100_over_linear +not measured +<= 1\.05 +100", told)


def test_the_json_has_the_ratios_and_the_raw_figures() -> None:
    told = as_json(found(), DELAYS, OPTIONS)
    assert told["ratios"]["away_over_floor"] == 1.1
    (replica,) = told["methods"][REPLICA]["runs"][0]["replicas"]
    assert replica["away_seconds"] == 11
    assert replica["phases"]["binding"] == 5
