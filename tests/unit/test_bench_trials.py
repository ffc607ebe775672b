"""The runbook's two forms beside the tool: means, medians, and how often a claim stalls."""

from __future__ import annotations

import re

import pytest

from bench.away import absences
from bench.bed import Run
from bench.delays import given
from bench.experiment import Found, Options
from bench.figures import Spread
from bench.methods import ONE_FILE, REPLICA, RUNBOOK
from bench.result import ratios
from bench.table import text
from bench.trials import STALL_SECONDS, stalls, trials
from tests.unit.bench_samples import absence, run, swap

DELAYS = given("")


def away(*seconds: float, stall: float = 0.5) -> list[Run]:
    """The last of the runs has a claim that takes so long to bind."""
    *before, last = seconds
    runs = [run(absence(0, each, bindings=(0.1,))) for each in before]
    return [*runs, run(absence(0, last, bindings=(0.1, stall)))]


def found() -> Found:
    return Found(
        trials={
            (RUNBOOK, 1): away(12, 14, 12, 30, stall=15),
            (ONE_FILE, 1): away(12, 13),
            (REPLICA, 1): away(10, 10, 13),
        }
    )


def test_trials_have_a_mean_a_median_a_spread_and_a_share_of_stalls() -> None:
    runbook, one_file, _ = trials(found())
    assert runbook.away == Spread(13, 12, 30, 4)
    assert (runbook.mean, runbook.stalled, runbook.calm_most) == (17, 0.25, 14)
    assert (runbook.median_over_tool, runbook.mean_over_tool) == (1.3, 1.545)
    assert (one_file.method, one_file.stalled) == (ONE_FILE, 0)


def test_only_a_claim_that_waits_for_the_resynchronisation_stalls() -> None:
    assert stalls(absence(0, 9, bindings=(0.1, 8)))
    assert not stalls(absence(0, 9, bindings=(STALL_SECONDS, 0.1)))


def test_a_claims_binding_goes_from_its_creation_to_its_first_bound() -> None:
    (swapped,) = absences(swap(100), ["web-1"])
    assert swapped.bindings == pytest.approx((0.5,))


def test_the_runbook_is_compared_by_its_trials_each_form_by_itself() -> None:
    told = ratios(found(), DELAYS, Options())
    assert told["runbook_over_tool"] == 1.3
    assert told["runbook_one_file_over_tool"] == 1.25


def test_the_ratio_is_of_the_first_number_of_claims() -> None:
    assert ratios(found(), DELAYS, Options(claims=(2, 1)))["runbook_over_tool"] is None


def test_the_table_has_a_row_a_form_and_what_the_goal_would_take() -> None:
    printed = text(found(), DELAYS, Options())
    assert re.search(r"(?m)^runbook +1 +4 +13\.0 +17\.0 +12\.0-30\.0 +25% +1\.30 +1\.5", printed)
    assert "3 times the tool's median are 30.0 s; a runbook without a stall took 14.0 s" in printed


def test_without_trials_there_is_no_table_of_them() -> None:
    assert "WITH A STALL" not in text(Found(), DELAYS, Options())
