"""A sample of `python -m tests.fuzz`, other sets with each commit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.test_torture_sample import seed
from tests.fuzz.__main__ import summary, tried
from tests.lab.labkit import Lab

SETS = 12


@pytest.mark.long
def test_sets_at_random_are_migrated_whole_or_refused_for_what_is_true(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    first = zlib.crc32(seed().encode())
    found = tried(lab, tmp_path, range(first, first + SETS), 3)
    record_property("fuzz", summary(found)[0])
    failed = [one for one in found if one.problems]
    assert not failed, "\n".join([*(one.line() for one in failed), *summary(failed)])
    assert any(one.ended for one in found)
