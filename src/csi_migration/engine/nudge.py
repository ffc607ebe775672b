"""Touches a claim until it is bound.

Two workers of the PersistentVolume controller can conflict on a pre-bound pair;
the conflict is dropped and only tried again at the next resync, 15 seconds later
(kubernetes issues 135127 and 85659; mended in 1.36). Any update of the claim
queues it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from csi_migration.kube import Client, KubernetesError, resources
from csi_migration.model.objects import Raw

ANNOTATION = "csi-migration/touched"
# Faster, it would move the claim under the very binder that it helps.
_INTERVAL_SECONDS = 0.4


class Nudge:
    """Sets and removes an annotation by turns, and leaves none behind.

    `guard` is called right before each of its writes.
    """

    def __init__(self, client: Client, namespace: str, guard: Callable[[], None]) -> None:
        self._client = client
        self._namespace = namespace
        self._guard = guard
        self._touched: set[str] = set()
        self._last: dict[str, float] = {}

    def touch(self, claim: str, version: str) -> None:
        """Update the claim, last seen in this version, in a way that means nothing.

        Now and then only. In a later version it has moved by itself, and a request that
        was held on its way leaves no mark.

        Raises:
            LeaseLost: nothing may be written any more.
        """
        now = time.monotonic()
        if now - self._last.get(claim, 0.0) < _INTERVAL_SECONDS:
            return
        self._last[claim] = now
        if claim in self._touched:
            self.clear(claim)
        else:
            self._annotate(claim, "true", version)
            self._touched.add(claim)

    def clear(self, claim: str) -> None:
        """Take the annotation off again."""
        if claim in self._touched:
            self._annotate(claim, None)
            self._touched.discard(claim)

    def _annotate(self, claim: str, value: str | None, version: str = "") -> None:
        try:
            self._guard()
            _annotate(self._client, claim, self._namespace, value, version)
        except KubernetesError:
            return  # binding comes without it too, only later


def forget_touch(client: Client, claim: str, namespace: str) -> None:
    """Take the annotation off that a run which was killed has left.

    Raises:
        KubernetesError: it may still be there.
    """
    _annotate(client, claim, namespace, None)


def _annotate(
    client: Client, claim: str, namespace: str, value: str | None, version: str = ""
) -> None:
    metadata: Raw = {"annotations": {ANNOTATION: value}}
    if version:
        metadata["resourceVersion"] = version
    client.patch(resources.CLAIMS, claim, {"metadata": metadata}, namespace)
