"""One way to wait for something to be seen."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.1
# Seconds. The scheduler has been seen to come back to a pod after a minute only, when it had
# tried while the pod's claims were being bound; and several labs may share two cores.
PATIENCE = 150


def until(
    what: str,
    seen: Callable[[], bool],
    seconds: float = PATIENCE,
    *,
    pause: float = POLL_SECONDS,
) -> None:
    """Call `seen` until it is true, with so many seconds from one call to the next.

    Raises:
        TimeoutError: it was not, for `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen in {seconds:.0f} s: {what}")
        time.sleep(pause)
