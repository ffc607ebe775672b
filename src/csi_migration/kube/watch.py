"""Follows the changes of objects, across the ends of single watch requests."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError

from csi_migration.kube.errors import ReadFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_migration.kube.transport import Request, Transport

_PAUSE = 1.0  # seconds from request to request when a server ends watches at once


@dataclass(frozen=True, slots=True)
class Event:
    """A change: `type` is ADDED, MODIFIED or DELETED; `object` is its manifest."""

    type: str
    object: dict[str, Any]


@dataclass
class Watch:
    """A watch that goes on from the last version seen until `deadline`.

    Attributes:
        transport: sends the requests.
        request: the collection's path and selectors.
        version: the resource version after which to start.
        deadline: on the monotonic clock, in seconds.
        silence: seconds without a word after which the connection is taken
            for dead and made anew.
    """

    transport: Transport
    request: Request
    version: str
    deadline: float
    silence: float

    def events(self) -> Iterator[Event]:
        """Yield changes until the deadline; a silent server can exceed it by `silence`.

        Raises:
            Gone: the server no longer knows the version; list again.
            KubernetesError: a request failed. A watch that was cut is resumed.
        """
        while (start := time.monotonic()) < self.deadline:
            before = self.version
            yield from self._one_request(self.deadline - start)
            if self.version == before:
                pause_ends = min(start + _PAUSE, self.deadline)
                time.sleep(max(0.0, pause_ends - time.monotonic()))

    def _one_request(self, remaining: float) -> Iterator[Event]:
        for message in self._messages(remaining):
            if message["type"] == "ERROR":
                status = message["object"]
                raise self.transport.refused(self.request, int(status.get("code", 500)), status)
            self.version = message["object"]["metadata"]["resourceVersion"]
            if message["type"] != "BOOKMARK":
                yield Event(message["type"], message["object"])
            if time.monotonic() >= self.deadline:
                return

    def _messages(self, remaining: float) -> Iterator[dict[str, Any]]:
        """The JSON lines of one request, until it ends or is cut."""
        query = {
            **self.request.query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.version,
            "timeoutSeconds": str(math.ceil(remaining)),
        }
        try:
            response = self.transport.open(
                replace(self.request, query=query), min(remaining, self.silence)
            )
        except ReadFailed as failure:
            if failure.status is None and time.monotonic() >= self.deadline:
                return
            raise
        unread = b""
        try:
            for chunk in response.stream():
                *lines, unread = (unread + chunk).split(b"\n")
                yield from (self._parsed(line) for line in lines if line.strip())
        except HTTPError:
            # Cut or silent: the next request goes on after the last version seen.
            return
        finally:
            response.close()

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError as error:
            raise self.transport.unfinished(self.request, "the watch is not JSON") from error
        if not isinstance(message, dict):
            raise self.transport.unfinished(self.request, "the watch sent no event")
        return message
