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
ENDED = "ResponseComplete"
# A server that goes ends all watches itself before the last is logged.
LONGEST_SHUTDOWN_SECONDS = 10
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
        self._before = _wanted(list(self._entries()))
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


def _wanted(entries: list[Object]) -> set[Watch]:
    """Of all watches so far those that their clients would still have.

    Not what ended earlier and was not begun again, nor what is not served any more: a
    definition of a custom resource was deleted.
    """
    begun = {entry["auditID"]: _watch(entry) for entry in entries if _begins(entry)}
    last = max(map(_moment, entries), default=datetime.now(UTC))
    ended = {entry["auditID"] for entry in entries if _ended_before(entry, last)}
    gone = {_watch(entry) for entry in entries if _answer(entry) == HTTPStatus.NOT_FOUND}
    return {watch for audit_id, watch in begun.items() if audit_id not in ended} - gone


def _ended_before(entry: Object, last: datetime) -> bool:
    age = last - _moment(entry)
    return bool(entry["stage"] == ENDED and age.total_seconds() > LONGEST_SHUTDOWN_SECONDS)


def _answer(entry: Object) -> int:
    return int(entry["responseStatus"]["code"])


def _moment(entry: Object) -> datetime:
    return datetime.fromisoformat(entry["stageTimestamp"])


def _begins(entry: Object) -> bool:
    return bool(entry["stage"] == "ResponseStarted" and _answer(entry) == HTTPStatus.OK)


def _lasts(entry: Object) -> bool:
    """Whether it was not one of those that are answered with 200 and an ERROR at once."""
    age = datetime.now(UTC) - _moment(entry)
    return age.total_seconds() > LASTING_SECONDS


def _watch(entry: Object) -> Watch:
    url = urlsplit(entry["requestURI"])
    selectors = [value for key, value in parse_qsl(url.query) if key in _SELECTORS]
    return Watch(entry["user"]["username"], entry["userAgent"], url.path, tuple(selectors))
