"""A large collection that is listed once and then asked for what changed.

What is kept is never taken for what is there. Each time the server is asked for its version
of this moment, and for the changes up to it: a watch tells them in order, and a bookmark, or
a later event, that nothing before it is missing. Without that proof everything is listed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from csi_migration.kube.bodies import selectors
from csi_migration.kube.errors import KubernetesError
from csi_migration.kube.listing import PAGE, list_all
from csi_migration.kube.transport import Request
from csi_migration.kube.watch import Event, Watch

if TYPE_CHECKING:
    from csi_migration.kube.transport import Transport

# The server sends a bookmark two seconds before it ends a watch, and otherwise once a
# minute (kubernetes: cache_watcher.go:nextBookmarkTime).
_SECONDS = 3.0
_MOST_MISSES = 3
_NOBODY = "metadata.name=nobody"


class KeptList:
    """One collection. Safe to share between threads, which take turns.

    Up to a page it is simply listed, for that is a single call.
    """

    def __init__(self, transport: Transport, path: str) -> None:
        """Prepare to list; nothing is sent yet."""
        self._transport = transport
        self._all = Request("GET", path)
        self._lock = threading.Lock()
        self._items: dict[str, dict[str, Any]] = {}
        self._version = ""
        self._misses = 0

    def items(self) -> list[dict[str, Any]]:
        """The items as they were at one moment since this was called, without managedFields.

        Raises:
            KubernetesError: they could not be read.
        """
        with self._lock:
            if not self._is_worth_it() or not self._has_caught_up():
                self._list()
            return list(self._items.values())

    def _is_worth_it(self) -> bool:
        return len(self._items) > PAGE and self._misses < _MOST_MISSES

    def _list(self) -> None:
        found, self._version = list_all(self._transport, self._all, _unmanaged)
        self._items = {_key(item): item for item in found}

    def _has_caught_up(self) -> bool:
        """Whether all that was there when this was called is kept now.

        A server that can't prove it in time, again and again, is asked no longer.
        """
        try:
            has_all = self._follow_to(self._version_now())
        except KubernetesError:  # the version is too old, for instance: listing tells
            return False
        self._misses = 0 if has_all else self._misses + 1
        return has_all

    def _version_now(self) -> str:
        """The version that the collection is at, by a read that no old cache may answer.

        One name is asked for, not a page of one: such a page has the server read past its
        cache, which then may stay behind for seconds (kubernetes: delegator.go).
        """
        answer = self._transport.ask(Request("GET", self._all.path, selectors("", _NOBODY)))
        return str(answer["metadata"].get("resourceVersion", ""))

    def _follow_to(self, version: str) -> bool:
        """Take in the changes up to a version; whether it was reached for sure."""
        if not _reaches(version, self._version):
            return False  # a store that was set back has another history
        if version == self._version:
            return True
        deadline = time.monotonic() + _SECONDS
        watch = Watch(self._transport, self._all, self._version, deadline, _SECONDS)
        for event in watch.events_and_bookmarks():
            self._take_in(event)
            if _reaches(self._version, version):
                return True
        return False

    def _take_in(self, event: Event) -> None:
        self._version = event.object["metadata"]["resourceVersion"]
        if event.type == "DELETED":
            self._items.pop(_key(event.object), None)
        elif event.type != "BOOKMARK":
            self._items[_key(event.object)] = _unmanaged(event.object)


def _key(item: dict[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _unmanaged(item: dict[str, Any]) -> dict[str, Any]:
    """Without the record of who wrote what, which is half of it and which nobody looks at."""
    item["metadata"].pop("managedFields", None)
    return item


def _reaches(version: str, other: str) -> bool:
    """Whether a version of the collection is the other or comes after it; no if one is no number.

    KEP-5504 has clients compare the versions of one kind so.
    """
    return version.isdecimal() and other.isdecimal() and int(version) >= int(other)
