"""Follows a set's objects from outside, and notes when each change was seen."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Self

import urllib3

from lab.client import ApiError, Cluster, Object

KINDS = (
    "Pod",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "StatefulSet",
    "VolumeAttachment",
)
THERE, ADDED, DELETED = "THERE", "ADDED", "DELETED"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a watch showed `at` (seconds since the epoch); THERE is what was there before."""

    at: float
    kind: str
    change: str
    item: Object

    @property
    def name(self) -> str:
        return str(self.item["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.item["metadata"]["uid"])

    @property
    def leaves(self) -> bool:
        """Whether the object is asked to go, or gone."""
        return self.change == DELETED or "deletionTimestamp" in self.item["metadata"]


class Watching:
    """Watches a namespace, and what has none, while a `with` block runs."""

    WATCH_SECONDS = 600
    LAST_CHANGES_SECONDS = 0.2

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._stopping = threading.Event()
        self._seen: list[Seen] = []
        self._versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        for kind in KINDS:
            self._versions[kind], items = self._cluster.snapshot(kind, self._namespace)
            self._seen += [Seen(time.time(), kind, THERE, item) for item in items]
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # The threads themselves end with their watches.
        time.sleep(self.LAST_CHANGES_SECONDS)
        self._stopping.set()

    @staticmethod
    def now() -> float:
        """By the clock that changes are noted with."""
        return time.time()

    @property
    def seen(self) -> list[Seen]:
        """Everything so far, in the order in which it was seen."""
        return sorted(self._seen, key=lambda one: one.at)

    def _follow(self, kind: str) -> None:
        while not self._stopping.is_set():
            try:
                self._watch(kind)
            except (ApiError, urllib3.exceptions.HTTPError):
                # The client hangs up when nothing has happened for a while.
                self._stopping.wait(0.1)

    def _watch(self, kind: str) -> None:
        """Go on after the last change that was seen, so that none is seen twice."""
        events = self._cluster.watch(
            kind, self._namespace, self._versions[kind], self.WATCH_SECONDS
        )
        for event in events:
            if self._stopping.is_set():
                return
            if event["type"] == "ERROR":
                # Too old a version: what the server has forgotten is lost to the figures.
                self._versions[kind], _ = self._cluster.snapshot(kind, self._namespace)
                return
            self._versions[kind] = event["object"]["metadata"]["resourceVersion"]
            self._seen.append(Seen(time.time(), kind, event["type"], event["object"]))
