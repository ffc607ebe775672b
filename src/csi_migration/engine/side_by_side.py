"""Independent requests over several connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Answer = TypeVar("Answer")

# The server weighs clients against each other: many at once gain little, and wait for it.
_AT_ONCE = 4


def side_by_side(call: Callable[[One], Answer], items: Iterable[One]) -> list[Answer]:
    """The answers in the items' order.

    Raises:
        Exception: what a call raised, the first in that order; no new call begins then.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pending = [pool.submit(call, item) for item in items]
        try:
            return [each.result() for each in pending]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
