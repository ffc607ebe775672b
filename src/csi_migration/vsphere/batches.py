"""Long lists in parts, for calls that take many objects but not any number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """The items in their order, `size` at a time."""
    return (list(items[at : at + size]) for at in range(0, len(items), size))
