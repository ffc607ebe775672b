"""What was found is kept at once, per state of the tool, and summed up honestly."""

from __future__ import annotations

from pathlib import Path

from tests.torture.attempt import Ends
from tests.torture.baseline import Baseline
from tests.torture.ledger import Ledger, summary
from tests.torture.matrix import Traffic
from tests.torture.outcome import Outcome, Verdict
from tests.torture.signature import Signature

WRITE = Signature("kubernetes", "delete", "pods", "web-0", kind="w")
BASELINE = Baseline("one", Traffic([WRITE], 7), Ends({"Pod web-0": {"a": 1}}, {}))


def outcome(name: str, verdict: Verdict, *, kills: bool = True) -> Outcome:
    return Outcome(name, verdict, kills, [], [{"exit_code": 0, "struck": ""}], 1.5)


def test_a_second_run_knows_what_the_first_one_found(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "progress", "abc")
    first.learn([BASELINE])
    first.add(outcome("one:all", Verdict.PASSED))
    second = Ledger(tmp_path / "progress", "abc")
    assert second.outcomes == first.outcomes
    assert second.baselines == {"one": BASELINE}


def test_another_tool_begins_anew(tmp_path: Path) -> None:
    Ledger(tmp_path / "progress", "abc").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abd").outcomes == {}
    Ledger(tmp_path / "progress", "abc-dirty").add(outcome("one:all", Verdict.PASSED))
    assert Ledger(tmp_path / "progress", "abc-dirty").outcomes == {}


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    Ledger(tmp_path / "progress", "abc").add(outcome("one:all", Verdict.FAILED))
    assert Ledger(tmp_path / "progress", "abc").outcomes == {}


def test_a_line_that_was_cut_off_costs_its_case_only(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    Ledger(path, "abc").add(outcome("one:all", Verdict.PASSED))
    with path.open("a") as file:
        file.write('{"tool": "ab')
    assert list(Ledger(path, "abc").outcomes) == ["one:all"]


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
