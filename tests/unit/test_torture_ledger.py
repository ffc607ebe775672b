"""What was found is kept at once, per state of the tool, and summed up honestly."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from lab.layout import REPOSITORY
from tests.torture.attempt import Ends
from tests.torture.baseline import Baseline
from tests.torture.ledger import JUDGE, Ledger, summary
from tests.torture.matrix import Traffic
from tests.torture.outcome import Outcome, Verdict
from tests.torture.signature import Signature

WRITE = Signature("kubernetes", "delete", "pods", "web-0", kind="w")
BASELINE = Baseline("one", Traffic([WRITE], 7), Ends({"Pod web-0": {"a": 1}}, {}))


def outcome(name: str, verdict: Verdict, *, kills: bool = True) -> Outcome:
    return Outcome(name, verdict, kills, [], [{"exit_code": 0, "struck": ""}], 1.5)


def test_a_second_run_knows_what_the_first_one_found(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "progress", "abc", "def")
    first.learn([BASELINE])
    first.add(outcome("one:all", Verdict.PASSED))
    second = Ledger(tmp_path / "progress", "abc", "def")
    assert second.outcomes == first.outcomes
    assert second.baselines == {"one": BASELINE}


def test_another_tool_begins_anew(tmp_path: Path) -> None:
    Ledger(tmp_path / "progress", "abc", "def").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abd", "def").outcomes == {}
    Ledger(tmp_path / "progress", "abc-dirty", "def").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abc-dirty", "def").outcomes == {}


def test_another_judge_begins_anew(tmp_path: Path) -> None:
    Ledger(tmp_path / "progress", "abc", "def").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abc", "deg").outcomes == {}
    Ledger(tmp_path / "progress", "abc", "def-dirty").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abc", "def-dirty").outcomes == {}


def test_the_judge_is_all_that_the_torture_takes_from_the_labs_tests() -> None:
    """Also what those modules take from each other."""
    waiting, taken = [*(REPOSITORY / "tests/torture").glob("*.py")], set[str]()
    while waiting:
        found = set(re.findall(r"from tests\.lab(?:\.| import )(\w+)", waiting.pop().read_text()))
        waiting += [REPOSITORY / f"tests/lab/{name}.py" for name in found - taken]
        taken |= found
    assert {f"tests/lab/{name}.py" for name in taken} <= set(JUDGE)


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    Ledger(tmp_path / "progress", "abc", "def").add(outcome("one:all", Verdict.FAILED))
    again = Ledger(tmp_path / "progress", "abc", "def")
    assert again.outcomes == {}


def test_what_passes_only_now_is_remembered_to_have_failed(tmp_path: Path) -> None:
    path, name = tmp_path / "progress", "one:all"
    bad = replace(outcome(name, Verdict.FAILED), problems=["records lost: 1"])
    Ledger(path, "abc", "def").add(bad)
    told = Ledger(path, "abc", "def").add(outcome(name, Verdict.PASSED))
    assert "failed at first: records lost: 1" in told.line()
    kept = Ledger(path, "abc", "def").outcomes
    assert summary(list(kept.values()))[-1] == "failed at first: 1"


def test_a_line_that_was_cut_off_costs_its_case_only(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    Ledger(path, "abc", "def").add(outcome("one:all", Verdict.PASSED))
    with path.open("a") as file:
        file.write('{"tool": "ab')
    assert list(Ledger(path, "abc", "def").outcomes) == ["one:all"]


def test_only_what_was_struck_counts_as_survived() -> None:
    found = [
        outcome("a", Verdict.PASSED),
        outcome("b", Verdict.FAILED),
        outcome("c", Verdict.NOT_REACHED),
        outcome("d", Verdict.PASSED, kills=False),
        outcome("e", Verdict.PARTLY),
    ]
    assert summary(found) == [
        "crash points: 1/2",
        "faults survived: 1/1",
        "not-reached: 1",
        "partly: 1",
    ]
