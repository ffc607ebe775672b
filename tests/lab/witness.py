"""Follows what happens to a set's objects while the tool runs, in the order of etcd."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Self

from lab.client import Cluster, Object
from lab.waiting import until

KINDS = (
    "Lease",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "StatefulSet",
    "VolumeAttachment",
)
THERE, ADDED, MODIFIED, DELETED = "THERE", "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch showed; `type` is THERE for an object that was there before."""

    kind: str
    type: str
    item: Object

    @property
    def revision(self) -> int:
        """Orders the changes of all kinds, since one etcd counts them."""
        return int(self.item["metadata"]["resourceVersion"])

    @property
    def name(self) -> str:
        return str(self.item["metadata"]["name"])


class Witness:
    """Watches one namespace, and what has none, while a `with` block runs."""

    WATCH_SECONDS = 5

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._stopping = threading.Event()
        self._changes: dict[str, list[Change]] = {kind: [] for kind in KINDS}

    def __enter__(self) -> Self:
        for kind in KINDS:
            version, items = self._cluster.snapshot(kind, self._namespace)
            self._changes[kind] += [Change(kind, THERE, item) for item in items]
            threading.Thread(target=self._follow, args=(kind, version), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until the watches have shown everything that happened in the block."""
        until("every change", lambda: all(map(self._is_complete, KINDS)))
        self._stopping.set()

    def changes(self, *kinds: str) -> list[Change]:
        """Everything that was seen of these kinds, in its order."""
        found = [change for kind in kinds for change in list(self._changes[kind])]
        return sorted(found, key=lambda change: change.revision)

    def of(self, kind: str, name: str, *types: str) -> list[Change]:
        """What happened to the objects of one name."""
        found = [one for one in self.changes(kind) if one.name == name]
        return [one for one in found if one.type in types] if types else found

    def _follow(self, kind: str, version: str) -> None:
        while not self._stopping.is_set():
            events = self._cluster.watch(kind, self._namespace, version, self.WATCH_SECONDS)
            for event in events:
                change = Change(kind, event["type"], event["object"])
                version = str(change.revision)
                self._changes[kind].append(change)

    def _is_complete(self, kind: str) -> bool:
        last: dict[str, int] = {}
        for change in self.changes(kind):
            last[change.name] = change.revision
            if change.type == DELETED:
                del last[change.name]
        _, items = self._cluster.snapshot(kind, self._namespace)
        there = {one["metadata"]["name"]: int(one["metadata"]["resourceVersion"]) for one in items}
        return last == there
