"""Which of many Waiting events are worth a line."""

from __future__ import annotations

from csi_migration.model.events import Waiting

SECONDS = 30.0


class Heartbeat:
    """Lets the first sight of a wait through, each new reason, and one each 30 s."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], Waiting] = {}

    def is_due(self, event: Waiting) -> bool:
        """Whether to tell; if so, it counts as told."""
        key = (event.replica, event.step)
        last = self._told.get(key)
        if last and last.reason == event.reason and 0 <= event.seconds - last.seconds < SECONDS:
            return False
        self._told[key] = event
        return True
