"""Independent requests over several connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Answer = TypeVar("Answer")

# As many as a client keeps connections: a set, a pod, and two claims with their volumes.
_POOL = ThreadPoolExecutor(8)


def side_by_side(call: Callable[[One], Answer], items: Iterable[One]) -> list[Answer]:
    """The answers in the items' order. The call must not come back here.

    Raises:
        Exception: what a call raised, the first in that order; no new call begins then,
            and those under way are not waited for.
    """
    pending = [_POOL.submit(call, item) for item in items]
    try:
        return [each.result() for each in pending]
    finally:
        for each in pending:
            each.cancel()
