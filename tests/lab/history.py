"""Everything that happened to some kinds of objects, in the one order that etcd gave it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from lab.client import Cluster

KINDS = ("PersistentVolume", "PersistentVolumeClaim", "VolumeAttachment", "Pod", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Moment:
    """One change. `type` is ADDED, MODIFIED or DELETED; `revision` orders all kinds."""

    revision: int
    type: str
    kind: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def is_gone(self) -> bool:
        return self.type == "DELETED"


class History:
    """Watches from entering to leaving the block."""

    def __init__(self, cluster: Cluster, seconds: int = 300) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._moments: list[Moment] = []
        self._begun = [threading.Event() for _ in KINDS]

    def __enter__(self) -> Self:
        for kind, begun in zip(KINDS, self._begun, strict=True):
            threading.Thread(target=self._follow, args=(kind, begun), daemon=True).start()
        assert all(begun.wait(30) for begun in self._begun)
        return self

    def __exit__(self, *_: object) -> None:
        """What is written after leaving may be missing, what was written before is not."""
        self.close()

    def close(self) -> None:
        """Wait until every watch has seen a change made now."""
        marker = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"generateName": "history-", "namespace": "default"},
        }
        self._cluster.create(marker)
        threading.Event().wait(1.0)

    def _follow(self, kind: str, begun: threading.Event) -> None:
        version, items = self._cluster.snapshot(kind)
        for item in items:
            self._note("ADDED", kind, item)
        begun.set()
        for event in self._cluster.watch(kind, "", version, seconds=self._seconds):
            if event["type"] not in ("BOOKMARK", "ERROR"):
                self._note(event["type"], kind, event["object"])

    def _note(self, change: str, kind: str, body: dict[str, Any]) -> None:
        revision = int(body["metadata"]["resourceVersion"])
        self._moments.append(Moment(revision, change, kind, body))

    @property
    def moments(self) -> list[Moment]:
        """All changes, oldest first."""
        return sorted(self._moments, key=lambda moment: moment.revision)

    def states(self) -> Iterator[tuple[Moment, dict[tuple[str, str], dict[str, Any]]]]:
        """After each change, every object that is there, by kind and name."""
        there: dict[tuple[str, str], dict[str, Any]] = {}
        for moment in self.moments:
            if moment.is_gone:
                there.pop((moment.kind, moment.name), None)
            else:
                there[moment.kind, moment.name] = moment.body
            yield moment, there
