"""Watches a set's pods from outside, and tells how long each was not Ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import urllib3

from lab.client import ApiError, Cluster, Object
from lab.waiting import PATIENCE
from lab.workload import pod_ready


@dataclass(frozen=True, slots=True)
class Sample:
    """From `time` (monotonic seconds) on, exactly these pods were Ready."""

    time: float
    ready: frozenset[str]


def away(samples: Sequence[Sample], pod: str) -> float:
    """Seconds in which the pod was not Ready, up to the last sample."""
    return _seconds(samples, lambda ready: pod not in ready)


def quorum_lost(samples: Sequence[Sample], pods: Sequence[str]) -> float:
    """Seconds in which fewer than a majority of `pods` were Ready."""
    majority = len(pods) // 2 + 1
    return _seconds(samples, lambda ready: len(ready & set(pods)) < majority)


def _seconds(samples: Sequence[Sample], counts: Callable[[frozenset[str]], bool]) -> float:
    return sum(after.time - now.time for now, after in pairwise(samples) if counts(now.ready))


class Observer:
    """A thread that follows the pods of a namespace while a `with` block runs.

    It watches, so that no change is too short to be seen, and lists anew every
    RELIST_SECONDS and whenever the API server hangs up.
    """

    RELIST_SECONDS = 10

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._stopping = threading.Event()
        self._listed = threading.Event()
        self._samples: list[Sample] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listed.wait(PATIENCE):
            raise TimeoutError(f"the pods of {self._namespace} could not be listed")
        return self

    def __exit__(self, *_: object) -> None:
        # The thread itself ends with its watch.
        self._stopping.set()
        self._note(self._samples[-1].ready)

    @property
    def samples(self) -> list[Sample]:
        """What was seen; complete once the `with` block has ended."""
        return list(self._samples)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._list_and_watch()
            except (ApiError, urllib3.exceptions.HTTPError):
                # The API server is away or the version is too old: begin again.
                self._stopping.wait(0.1)

    def _list_and_watch(self) -> None:
        version, pods = self._cluster.snapshot("Pod", self._namespace)
        ready = {pod["metadata"]["name"] for pod in pods if pod_ready(pod)}
        self._note(frozenset(ready))
        self._listed.set()
        for event in self._cluster.watch(
            "Pod", self._namespace, version, seconds=self.RELIST_SECONDS
        ):
            if self._stopping.is_set() or event["type"] == "ERROR":
                return
            _apply(ready, event)
            self._note(frozenset(ready))

    def _note(self, ready: frozenset[str]) -> None:
        self._samples.append(Sample(time.monotonic(), ready))


def _apply(ready: set[str], event: Object) -> None:
    name = event["object"]["metadata"]["name"]
    if event["type"] != "DELETED" and pod_ready(event["object"]):
        ready.add(name)
    else:
        ready.discard(name)
