"""What the lab says while it works: on stderr, with the seconds since its start."""

from __future__ import annotations

import sys
import time

_BEGUN = time.monotonic()


def say(text: str) -> None:
    """One line for the person who waits."""
    print(f"lab {time.monotonic() - _BEGUN:6.1f} s  {text}", file=sys.stderr, flush=True)
