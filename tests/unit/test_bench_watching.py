"""Every change is noted once, however often the watch breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import urllib3

from bench.watching import KINDS, Watching
from lab.client import Cluster, Object, Objects
from lab.waiting import until


def pod(version: int) -> Object:
    return {"metadata": {"name": "web-0", "uid": "1", "resourceVersion": str(version)}}


class Breaking:
    """An API server's watch of pods: two changes at a time, then the connection breaks."""

    def __init__(self, versions: range) -> None:
        self.versions = versions

    def snapshot(self, kind: str, _: str) -> tuple[str, Objects]:
        return "0", [pod(0)] if kind == "Pod" else []

    def watch(self, kind: str, _: str, version: str, seconds: int) -> Iterator[Object]:
        assert seconds
        news = [each for each in self.versions if each > int(version)] if kind == "Pod" else []
        for each in news[:2]:
            yield {"type": "MODIFIED", "object": pod(each)}
        raise urllib3.exceptions.ReadTimeoutError(None, "/pods", "nothing happens")  # type: ignore[arg-type]


def test_a_watch_that_breaks_goes_on_after_the_last_change() -> None:
    with Watching(cast("Cluster", Breaking(range(1, 6))), "bench") as watching:
        until("the last change", lambda: len(watching.seen) >= 6)
    versions = [one.item["metadata"]["resourceVersion"] for one in watching.seen]
    assert versions == ["0", "1", "2", "3", "4", "5"]
    assert {one.kind for one in watching.seen} <= set(KINDS)
