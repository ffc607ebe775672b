"""The watches of controllers, scheduler and played parts, and their way back after a restart.

Whoever holds a watch that broke is deaf for longer than the API server is away. client-go's
reflector waits 0.8 s before its next try and doubles that up to 30 s, plus up to as much again by
chance, and begins anew only after 2 minutes without a failure. A restart costs it several tries:
nobody listens; RBAC is not loaded yet (403); the new server does not remember the version to go on
from (410).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from lab.client import Object
from lab.pki import IDENTITIES
from lab.waiting import until

PERSONS = ("admin", "tool", "operator")
CLIENTS = [user for name, (user, _) in IDENTITIES.items() if name not in PERSONS]
# Three tries at the longest delay, and some time to list.
LONGEST_SECONDS = 3 * 60 + 30
LASTING_SECONDS = 1
_SELECTORS = ("fieldSelector", "labelSelector")


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches what; `agent` tells several watchers of one process apart."""

    user: str
    agent: str
    path: str
    selectors: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.user, self.path, *self.selectors))


class Restart:
    """What an API server served before a restart is to be served again after it.

    To be made while the old server is down. Reads the audit log.
    """

    def __init__(self, audit_log: Path) -> None:
        self._log, self._offset = audit_log, 0
        self._before = {_watch(entry) for entry in self._entries() if _begins(entry)}
        self._open: dict[str, Object] = {}

    def missing(self) -> set[Watch]:
        """The watches of before that are not served now."""
        for entry in self._entries():
            if _begins(entry):
                self._open[entry["auditID"]] = entry
            else:
                self._open.pop(entry["auditID"], None)
        return self._before - {_watch(entry) for entry in self._open.values() if _lasts(entry)}

    def settle(self) -> None:
        """Wait until none is missing; from then on every change is heard.

        Raises:
            TimeoutError: some were after LONGEST_SECONDS; names them.
        """
        try:
            until("every watch again", lambda: not self.missing(), LONGEST_SECONDS)
        except TimeoutError as error:
            raise TimeoutError("\n".join([str(error), *map(str, self.missing())])) from error

    def _entries(self) -> Iterator[Object]:
        """What was logged of the clients' watches since the last call."""
        watches = (json.loads(line) for line in self._lines() if b'"verb":"watch"' in line)
        return (entry for entry in watches if entry["user"]["username"] in CLIENTS)

    def _lines(self) -> Iterator[bytes]:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line


def _begins(entry: Object) -> bool:
    answer = entry["responseStatus"]["code"]
    return bool(entry["stage"] == "ResponseStarted" and answer == HTTPStatus.OK)


def _lasts(entry: Object) -> bool:
    """Whether it was not one of those that are answered with 200 and an ERROR at once."""
    age = datetime.now(UTC) - datetime.fromisoformat(entry["stageTimestamp"])
    return age.total_seconds() > LASTING_SECONDS


def _watch(entry: Object) -> Watch:
    url = urlsplit(entry["requestURI"])
    selectors = [value for key, value in parse_qsl(url.query) if key in _SELECTORS]
    return Watch(entry["user"]["username"], entry["userAgent"], url.path, tuple(selectors))
