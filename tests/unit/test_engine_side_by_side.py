"""Requests over several connections."""

from __future__ import annotations

import threading

import pytest

from csi_migration.engine.side_by_side import side_by_side


def test_answers_come_in_the_order_of_the_questions() -> None:
    later = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            later.wait(5)
        else:
            later.set()
        return number * 10

    assert side_by_side(call, range(20)) == [number * 10 for number in range(20)]


def test_after_an_error_no_new_call_begins_and_none_is_waited_for() -> None:
    called: list[int] = []
    over = threading.Event()

    def call(number: int) -> None:
        called.append(number)
        if number == 0:
            raise LookupError(str(number))
        over.wait()

    with pytest.raises(LookupError, match="0"):
        side_by_side(call, range(100))
    over.set()
    side_by_side(str, range(100))  # would come after them
    assert len(called) < 20
