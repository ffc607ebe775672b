"""A sample of `python -m tests.fuzz`, other sets with each commit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.test_torture_sample import seed
from tests.fuzz.__main__ import summary, tried
from tests.fuzz.attempt import MIGRATED, REFUSED, Outcome
from tests.lab.labkit import Lab

SETS = 12
# Chance has never been seen to need more for one set that is migrated and one that is refused.
MOST_SETS = 48


@pytest.mark.long
def test_sets_at_random_are_migrated_whole_or_refused_for_what_is_true(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = tried_until_both(lab, tmp_path, zlib.crc32(seed().encode()))
    record_property("fuzz", summary(found)[0])
    failed = [one for one in found if one.problems]
    assert not failed, "\n".join([*(one.line() for one in failed), *summary(failed)])
    assert endings(found) == {MIGRATED, REFUSED}


def tried_until_both(lab: Lab, folder: Path, first: int) -> list[Outcome]:
    """As many sets as asked for, and more as long as chance has given one kind only."""
    found: list[Outcome] = []
    while len(found) < SETS or (endings(found) != {MIGRATED, REFUSED} and len(found) < MOST_SETS):
        begun = first + len(found)
        found += tried(lab, folder, range(begun, begun + SETS), 3)
    return found


def endings(found: list[Outcome]) -> set[str]:
    return {one.ended for one in found if not one.problems}
