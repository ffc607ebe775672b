"""Asks the driver's syncer for a full sync where it offers one.

A volume whose event the syncer missed is registered only after it was found
missing in two full syncs (vsphere-csi-driver: syncer/fullsync.go), half an hour
apart unless somebody asks. The next id must be the last one that was handled
plus one; any other value wedges the trigger.
"""

from __future__ import annotations

from collections.abc import Callable

from csi_migration.kube import Client, KubernetesError, resources
from csi_migration.model.objects import resource_version_of

_NAME = "csifullsync"
_PATIENCE_SECONDS = 10.0
# Two rounds are what helps; a third and a fourth in case somebody else's came between.
_MOST_REQUESTS = 4


class FullSync:
    """At most one request at a time, the next only after the last was handled.

    `guard` is called right before each.
    """

    def __init__(self, client: Client, guard: Callable[[], None]) -> None:
        self._client = client
        self._guard = guard
        self._requested = 0
        self._asked = 0

    def ask_when_due(self, waited: float) -> None:
        """Ask, once the usual way has had its time (`waited`, in seconds).

        Raises:
            LeaseLost: nothing may be written any more.
        """
        if waited >= _PATIENCE_SECONDS and self._asked < _MOST_REQUESTS:
            self._ask()

    def _ask(self) -> None:
        try:
            trigger = self._client.find(resources.FULL_SYNC_TRIGGERS, _NAME)
            if trigger is None:
                return  # this driver offers none; its own full sync will come
            status = trigger.get("status") or {}
            last = int(status.get("lastTriggerSyncID", 0))
            if status.get("inProgress") or last < self._requested:
                return
            metadata = {"resourceVersion": resource_version_of(trigger)}
            body = {"metadata": metadata, "spec": {"triggerSyncID": last + 1}}
            self._guard()
            self._client.patch(resources.FULL_SYNC_TRIGGERS, _NAME, body)
            self._requested, self._asked = last + 1, self._asked + 1
        except KubernetesError:
            return  # somebody else asked, or this identity may not: the wait goes on
