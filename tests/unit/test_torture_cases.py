"""Cases are named, numbered, drawn and divided so that each can be found again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torture.case import Case, Stage, Strike, parse
from tests.torture.fault import FAULTS, KILLS, KILLS_ANYWHERE, Fault, answer_in_place_of
from tests.torture.matrix import Traffic, cases, sample, shard
from tests.torture.meter import Meter
from tests.torture.signature import Signature

POD = Signature("kubernetes", "delete", "pods", "web-0", kind="w")
DISK = Signature("vcenter", "RegisterDisk", name="x.vmdk", kind="w")
LOOK = Signature("kubernetes", "get", "pods", "web-0")
WATCH = Signature("kubernetes", "watch", "pods")
FOUND = cases("one", Traffic([POD, DISK], 9), "seed")

strikes = st.builds(
    Strike, st.sampled_from(["w", "r", "c", "t", "v"]), st.integers(1, 999), st.sampled_from(Fault)
)
stages = st.builds(
    Stage, st.sampled_from(["all", "resume", "rollback"]), st.none() | strikes
) | st.builds(Stage, st.just("rollback"), st.none() | strikes, st.integers(0, 99))
named = st.builds(
    lambda first, rest: Case("three-run", (Stage("all", first), *rest)),
    st.none() | strikes,
    st.lists(stages, max_size=3),
)


@given(named)
def test_a_case_is_found_again_by_its_name(case: Case) -> None:
    assert parse(str(case)) == case


@pytest.mark.parametrize(
    "name",
    [
        "",
        "one",
        "one:resume",
        "one:all@x1=500",
        "one:all@w0=500",
        "one:all@w1=501",
        "one:all-1",
        "one:all,resume-1",
        "one:all,rollback-",
    ],
)
def test_what_is_no_case_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is not a valid Fault"):
        parse(name)


def test_every_write_is_killed_in_each_way_and_taken_up_in_each() -> None:
    for number in (1, 2):
        for kill in KILLS_ANYWHERE:
            for command in ("resume", "rollback"):
                assert parse(f"one:all@w{number}={kill.value},{command}") in FOUND


def test_what_a_dead_run_sent_comes_late_where_it_names_what_is_there() -> None:
    creation, patch = replace(POD, verb="create"), replace(POD, verb="patch")
    four = (POD, creation, patch, DISK)
    assert [each for each in four if Fault.KILL_LATE.makes_sense_for(each)] == [POD, patch]
    assert parse("one:all@w1=kill-late,rollback") in FOUND
    assert parse("one:all@w2=kill-late,rollback") not in FOUND


def test_every_write_meets_every_fault_that_makes_sense_for_it() -> None:
    met = Counter(
        case.stages[0].strike.number
        for case in FOUND
        if len(case.stages) == 2
        and case.stages[0].strike
        and case.stages[0].strike.kind == "w"
        and not case.kills
    )
    # Neither is a watch; vCenter knows neither conflicts nor "too many requests".
    assert met == {1: len(FAULTS) - 1, 2: len(FAULTS) - 3}


def test_reads_and_pairs_are_drawn_by_the_seed_alone() -> None:
    traffic = Traffic([POD, DISK], 9)
    assert cases("one", traffic, "seed") == FOUND
    assert cases("one", traffic, "other") != FOUND


def test_watches_meet_kills_and_faults_of_their_own() -> None:
    found = cases("one", Traffic([POD, DISK], 9, watches=50), "seed")
    struck = _struck(found, "v")
    faults = {strike.fault for _, strike in struck}

    assert {command for command, _ in struck} == {"all"}
    assert max(strike.number for _, strike in struck) <= 50
    assert faults & set(KILLS)
    assert faults - set(KILLS)
    assert Fault.ANSWER_409 not in faults


def test_calls_to_vcenter_are_struck_in_a_migration_and_in_what_takes_it_up() -> None:
    struck = _struck(cases("one", Traffic([POD, DISK], 9, calls=50), "seed"), "c")

    assert {command for command, _ in struck} == {"all", "resume", "rollback"}
    assert {Fault.ANSWER_409, Fault.ANSWER_410, Fault.ANSWER_429}.isdisjoint(
        strike.fault for _, strike in struck
    )


def test_what_a_dead_rollback_or_resume_sent_comes_when_the_set_went_the_other_way() -> None:
    late = [
        each for each in FOUND if (one := each.stages[1].strike) and one.fault is Fault.KILL_LATE
    ]
    ways = {tuple(stage.command for stage in each.stages[1:]) for each in late}
    assert ways == {("rollback", "resume"), ("resume", "rollback")}


def _struck(found: list[Case], kind: str) -> list[tuple[str, Strike]]:
    strikes = [(stage.command, stage.strike) for each in found for stage in each.stages]
    return [(command, strike) for command, strike in strikes if strike and strike.kind == kind]


def test_pairs_go_forwards_and_back_again() -> None:
    ways = {
        tuple(stage.command for stage in case.stages) for case in FOUND if len(case.stages) == 3
    }
    assert {
        ("all", "resume", "resume"),
        ("all", "rollback", "rollback"),
        ("all", "rollback", "resume"),
    } <= ways


def test_faults_strike_what_takes_a_killed_migration_up() -> None:
    met = {
        (case.stages[1].command, case.stages[2].command)
        for case in FOUND
        if case.stages[0].strike and (later := case.stages[1].strike) and later.fault in FAULTS
    }
    ways = ("resume", "rollback")
    assert met == {(one, other) for one in ways for other in ways}


def test_single_replicas_go_back_where_there_are_several() -> None:
    found = cases("three", Traffic([POD, DISK] * 9, 9), "seed")
    partly = [case for case in found if case.stages[1].replica is not None]
    assert {case.stages[1].replica for case in partly} == {0, 1, 2}
    assert {case.stages[-1].command for case in partly} == {"resume", "rollback"}
    assert {bool(case.stages[0].strike) for case in partly} == {True, False}
    assert [case for case in FOUND if case.stages[1].replica is not None] == []


def test_going_back_with_one_replica_is_not_going_back() -> None:
    assert parse("three:all,rollback").goes_back
    assert not parse("three:all,rollback-1").goes_back


def test_a_sample_is_repeatable_and_has_no_case_twice() -> None:
    drawn = sample(FOUND, 20, "seed")
    assert drawn == sample(FOUND, 20, "seed")
    assert len(set(drawn)) == 20
    assert set(sample(FOUND, 0, "seed")) == set(FOUND)


@given(st.integers(1, 7))
def test_shards_are_disjoint_and_leave_nothing_out(of: int) -> None:
    parts = [shard(FOUND, number, of) for number in range(1, of + 1)]
    assert Counter(map(str, FOUND)) == Counter(str(case) for part in parts for case in part)


def test_a_shard_does_not_depend_on_what_else_there_is() -> None:
    alone = [case for case in FOUND[::3] if shard([case], 1, 3)]
    assert alone == [case for case in shard(FOUND, 1, 3) if case in FOUND[::3]]


def test_writes_and_reads_are_numbered_apart() -> None:
    meter = Meter(parse("one:all@w2=500").stages[0].strike)
    met = [meter.count(each) for each in (LOOK, POD, LOOK, DISK, POD)]
    assert met == [None, None, None, Fault.ANSWER_500, None]
    assert (meter.struck, meter.of("w"), len(meter.of("r"))) == (DISK, [POD, DISK, POD], 2)


def test_a_senseless_strike_does_nothing() -> None:
    meter = Meter(parse("one:all@w1=429").stages[0].strike)
    assert meter.count(DISK) is None
    assert meter.struck is None


def test_only_watches_are_too_old() -> None:
    assert [
        each for each in (POD, DISK, LOOK, WATCH) if Fault.ANSWER_410.makes_sense_for(each)
    ] == [WATCH]


@pytest.mark.parametrize("fault", [each for each in Fault if each.value.isdigit()])
def test_a_refusal_is_a_status_object(fault: Fault) -> None:
    answer = answer_in_place_of(fault, POD)
    assert answer is not None
    assert answer.status == int(fault.value)
    assert isinstance(answer.body, bytes)
    assert b'"kind": "Status"' in answer.body
    assert ("Retry-After" in answer.headers) == (fault is Fault.ANSWER_429)


def test_vcenter_refuses_in_soap() -> None:
    for fault, name in (
        (Fault.ANSWER_401, b"NotAuthenticated"),
        (Fault.ANSWER_403, b"NoPermission"),
    ):
        answer = answer_in_place_of(fault, DISK)
        assert answer is not None
        assert isinstance(answer.body, bytes)
        assert (answer.status, name in answer.body) == (500, True)


def test_kills_cuts_and_delays_are_no_answers() -> None:
    for fault in (*KILLS, Fault.CUT_APPLIED, Fault.DELAY, Fault.LOGOUT):
        assert answer_in_place_of(fault, POD) is None
